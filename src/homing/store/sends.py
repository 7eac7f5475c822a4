"""What is to be sent: the decisions of an epoch, as whoever delivers them reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.store.columns import TIME, contract_types, hex_words, scan, times
from homing.store.workspace import Workspace


@dataclass(frozen=True)
class SendRows:
    """Sends of one epoch, sorted by user."""

    decision: NDArray[np.uint64]  # [n, 2] the decision's id
    user_id: NDArray[np.object_]  # [n]
    message_id: NDArray[np.object_]  # [n]
    channel: NDArray[np.object_]  # [n]
    slot_start: NDArray[np.int64]  # [n] us
    slot_end: NDArray[np.int64]  # [n] us, exclusive


def read_sends(workspace: Workspace, at: int) -> SendRows:
    """Return what was decided to be sent at an epoch (us)."""
    ids, slot = ("decision_id", "user_id", "message_id", "channel"), ("slot_start", "slot_end")
    epoch = pl.col("epoch_at") == pl.lit(at).cast(TIME)
    columns = contract_types("decisions", (*ids, *slot, "epoch_at", "action"))
    rows = scan(workspace.ledger.files("decisions"), columns, epoch & (pl.col("action") == "send"))
    frame = rows.sort("user_id").collect()
    return SendRows(
        decision=hex_words(frame["decision_id"]),
        user_id=frame["user_id"].to_numpy(),
        message_id=frame["message_id"].to_numpy(),
        channel=frame["channel"].to_numpy(),
        slot_start=times(frame["slot_start"]),
        slot_end=times(frame["slot_end"]),
    )
