"""How a stage tells that it is alive; the command line draws it, a test ignores it."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol


class Progress(Protocol):
    """Anything that can show how far a step has come."""

    def update(self, step: str, done: float, note: str = "") -> None:
        """Say that `step` is `done` (a share in [0, 1]) of the way; 1 ends it."""


class Silent:
    """Shows nothing."""

    def update(self, step: str, done: float, note: str = "") -> None:
        """Ignore."""


@dataclass
class Timings:
    """Seconds and peak memory by step of a run.

    Steps that repeat over shards add up, also where shards run beside each other: the sum over steps may
    then be more than the time that passed.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add the time of the block to `step`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start

    @property
    def peak_bytes(self) -> int:
        """Largest resident memory of this process so far, bytes."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
