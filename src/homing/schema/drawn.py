"""What a planning run drew for one shard, before it becomes rows of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.schema.decisions import Instants


@dataclass(frozen=True)
class Drawn:
    """The decisions of one run over one shard, one a row of `rows`."""

    rows: Instants  # the user and the epoch of each decision
    id: NDArray[np.uint64]  # [rows, 2] derived from (salt, user, epoch)
    opportunity: NDArray[np.int32]  # [rows] row in the shard's opportunities, -1: hold
    message: NDArray[np.int32]  # [rows] code, -1: hold
    channel: NDArray[np.int16]  # [rows] code, -1: hold
    slot_start: NDArray[np.int64]  # [rows] us; MISSING: hold
    slot_end: NDArray[np.int64]  # [rows] us, exclusive; MISSING: hold
    propensity: NDArray[np.float64]  # [rows] in (0, 1]
    candidates: NDArray[np.int32]  # [rows] how many there were, hold included
    candidate_set: NDArray[np.uint64]  # [rows, 2] hash of the candidate set
    values: NDArray[np.float32]  # [rows, objectives] of the chosen candidate
    reason: NDArray[np.int8]  # [rows] Reason

    def __len__(self) -> int:
        return len(self.rows)
