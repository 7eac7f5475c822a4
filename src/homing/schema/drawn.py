"""What a planning run drew for one shard, before it becomes rows of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

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

    @classmethod
    def together(cls, parts: Sequence[Drawn]) -> Drawn:
        """Return decisions for different users as one, sorted by user."""
        if len(parts) == 1:
            return parts[0]
        user = np.concatenate([part.rows.user for part in parts])
        order = np.argsort(user, kind="stable")

        def of(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])[order]

        columns = {field.name: of(field.name) for field in fields(cls) if field.name != "rows"}
        at = np.concatenate([part.rows.at for part in parts])
        return cls(rows=Instants(user[order], at[order]), **columns)


@dataclass(frozen=True)
class InArms:
    """In which arm of one experiment each row of `Drawn` is."""

    experiment: str
    names: tuple[str, ...]  # of the arms
    arm: NDArray[np.int16]  # [rows] place in `names`, -1: not in the experiment
    triggered: NDArray[np.bool_]  # [rows] whether another arm would have decided otherwise


@dataclass(frozen=True)
class Deciders:
    """Who drew each row of `Drawn`."""

    releases: tuple[str, ...]
    release: NDArray[np.int16]  # [rows] place in `releases`
    arms: tuple[InArms, ...] = ()
