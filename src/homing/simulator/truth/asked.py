"""The sends that truth is asked about."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """One send a row; a user may come any number of times."""

    user: Ints  # [n] code
    message: Ints  # [n] code
    channel: Ints  # [n] code
    start: Ints  # [n] us, of the slot
    end: Ints  # [n] us

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints) -> Asked:
        """Return some rows, in the order given."""
        return Asked(*(getattr(self, field.name)[rows] for field in fields(self)))
