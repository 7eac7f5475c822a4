"""The local engine: shards beside each other in threads.

The heavy parts of every stage (Polars, Numba, PyTorch) release the interpreter lock, so threads use all
cores without copying a shard between processes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def worker_count(threads: int) -> int:
    """Return how many shards to work on at once: `threads`, or for 0 the cores that this process may use."""
    return threads or len(os.sched_getaffinity(0))


def over_shards(function: Callable[[int], T], shards: int, workers: int) -> Iterator[T]:
    """Yield function(0), function(1), ... in order, while up to `workers` calls run beside each other.

    While the caller works on a result, `workers` more are in the making and none beyond them, which bounds
    memory. The first error ends the run once the calls that have started are done.

    Args:
        function: of the number of a shard; must not depend on other shards.
        shards: how many there are.
        workers: how many calls may run at once, >= 1.
    """
    with ThreadPoolExecutor(workers) as pool:
        started: deque[Future[T]] = deque()
        try:
            for shard in range(shards):
                started.append(pool.submit(function, shard))
                if len(started) > workers:
                    yield started.popleft().result()
            while started:
                yield started.popleft().result()
        finally:
            for call in started:
                call.cancel()
