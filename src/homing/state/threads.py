"""Run a compiled function over ranges of users, on several threads.

The compiled functions release the interpreter's lock, so plain threads suffice: no threading layer that
must not be entered twice or survive a fork, no parallel compilation, and one user costs no pool.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

#: Fewer users than this are not worth a thread.
_LEAST = 256
#: Chunks a thread, so that a chunk of busy users does not hold up the rest.
_CHUNKS = 8


def over_users(function: Callable[[int, int], object], users: int, threads: int) -> None:
    """Call `function(first, last)` on ranges that together are 0..users, each user once.

    Args:
        function: writes its results to places that no other range writes to.
        users: how many there are.
        threads: at most so many at a time; 0: as many as this process has cores.
    """
    threads = threads or len(os.sched_getaffinity(0))
    size = max(_LEAST, -(-users // (threads * _CHUNKS)))
    if threads == 1 or users <= size:
        function(0, users)
        return
    with ThreadPoolExecutor(threads) as pool:
        ranges = [(first, min(first + size, users)) for first in range(0, users, size)]
        for result in [pool.submit(function, *each) for each in ranges]:
            result.result()
