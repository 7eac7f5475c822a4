"""One writer at a time, by a lock that the operating system gives back when the holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from homing.schema import LedgerBusyError

_POLL: Final = 0.05  # seconds


@contextmanager
def writer_lock(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock file at `path` for the time of the with-block.

    Args:
        path: of the lock file; made if it is not there. It holds the process id of its last holder.
        timeout: seconds to wait for another holder.

    Raises:
        LedgerBusyError: another process or thread held it for all of `timeout`.
    """
    with path.open("a+", encoding="ascii") as file:
        deadline = time.monotonic() + timeout
        while not _acquired(file.fileno()):
            if time.monotonic() >= deadline:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise LedgerBusyError(
                    f"{path.parent} is being written by process {holder} (waited {timeout:g} s); "
                    "only one writer at a time is allowed, so try again when it has ended"
                )
            time.sleep(_POLL)
        try:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
