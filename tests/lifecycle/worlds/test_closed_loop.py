import polars as pl
import pytest
from small_world import DAYS, USERS, SmallWorld

from homing.lifecycle.worlds.closed_loop import ClosedLoop
from homing.schema import InputError
from homing.schema.times import to_datetime
from homing.simulator import Setup
from homing.store import read_sends


def test_a_world_that_ends_with_its_log_cannot_go_on(small_world: SmallWorld) -> None:
    with pytest.raises(InputError, match="log_days == 28, must be less than the world's days, 28"):
        ClosedLoop(small_world.workspace, "streaming", Setup(USERS, DAYS), DAYS)


def test_sends_are_those_of_the_ledger(small_world: SmallWorld) -> None:
    files = small_world.workspace.ledger.files("decisions")
    table = pl.concat([pl.read_parquet(path) for path in files], how="diagonal_relaxed")
    epoch = pl.col("epoch_at") == to_datetime(small_world.end)
    rows = table.filter(epoch & (pl.col("action") == "send")).sort("user_id")
    sends = read_sends(small_world.workspace, small_world.end)
    assert sends.user_id.tolist() == rows["user_id"].to_list()
    assert sends.message_id.tolist() == rows["message_id"].to_list()
    assert sends.slot_start.tolist() == rows["slot_start"].to_physical().to_list()
    ids = [word.tobytes().hex() for word in sends.decision.astype(">u8")]
    assert ids == rows["decision_id"].to_list()
    assert len(read_sends(small_world.workspace, small_world.end + 1).user_id) == 0
