from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.schema import Exclusions, Instants, Reason, WorkspaceError
from homing.schema.drawn import Drawn
from homing.schema.times import DAY, HOUR, MISSING
from homing.store.shards import LoadedShard, load_shard
from homing.store.workspace import Workspace
from homing.store.writing import (
    Run,
    append_decisions,
    append_exclusions,
    decision_rows,
    exclusion_rows,
    write_decisions,
)

from .tables import random_log, write

EPOCH = 20 * DAY
RUN = Run("run-1", "release-1", EPOCH + 5, ("clicks", "visits"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return write(tmp_path / "w", random_log(np.random.default_rng(1), 20))


def drawn_for(loaded: LoadedShard, epoch: int = EPOCH) -> Drawn:
    """Every user who has an opportunity gets the first one, the others are held."""
    offsets = loaded.shard.opportunities.offsets
    rows = len(offsets) - 1
    sent = np.diff(offsets) > 0
    first = np.minimum(offsets[:-1], len(loaded.shard.opportunities) - 1)
    rng = np.random.default_rng(2)
    return Drawn(
        rows=Instants(np.arange(rows, dtype=np.int32), np.full(rows, epoch)),
        id=rng.integers(1, 2**64, (rows, 2), np.uint64),
        opportunity=np.where(sent, first, -1).astype(np.int32),
        message=np.where(sent, loaded.shard.opportunities.message[first], -1).astype(np.int32),
        channel=np.where(sent, 1, -1).astype(np.int16),
        slot_start=np.where(sent, epoch + 9 * HOUR, MISSING),
        slot_end=np.where(sent, epoch + 10 * HOUR, MISSING),
        propensity=rng.uniform(0.1, 1, rows),
        candidates=rng.integers(1, 9, rows).astype(np.int32),
        candidate_set=rng.integers(1, 2**64, (rows, 2), np.uint64),
        values=rng.random((rows, 2)).astype(np.float32),
        reason=np.where(sent, Reason.drawn, Reason.no_candidate).astype(np.int8),
    )


def append(workspace: Workspace, drawn: Drawn, loaded: LoadedShard, run: Run = RUN) -> int:
    with workspace.ledger.write() as writer:
        return append_decisions(workspace, writer, loaded.partition, decision_rows(loaded, drawn, run))


def test_decisions_come_back_from_the_ledger_as_they_were_drawn(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 0)
    drawn = drawn_for(loaded)
    assert (drawn.message < 0).any()
    assert (drawn.message >= 0).any()
    assert append(workspace, drawn, loaded) == len(drawn)
    after = load_shard(workspace, 0).shard.decisions
    new = np.flatnonzero(after.epoch_at == EPOCH)
    np.testing.assert_array_equal(after.user[new], drawn.rows.user)
    for name in vars(drawn).keys() - {"rows"}:
        np.testing.assert_array_equal(getattr(after, name)[new], getattr(drawn, name), err_msg=name)
    names = workspace.ledger.vocabularies().releases
    assert {names.names[code] for code in after.release[new]} == {"release-1"}


def test_planning_an_epoch_again_adds_nothing(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 0)
    drawn = drawn_for(loaded)
    append(workspace, drawn, loaded)
    again = replace(RUN, run_id="run-2", decided_at=EPOCH + HOUR)
    assert append(workspace, drawn, load_shard(workspace, 0), again) == 0
    assert (load_shard(workspace, 0).shard.decisions.epoch_at == EPOCH).sum() == len(drawn)


def test_users_who_came_since_are_added_to_a_planned_epoch(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 0)
    rows = decision_rows(loaded, drawn_for(loaded), RUN)
    for part, added in ((rows[1:], len(rows) - 1), (rows, 1)):
        with workspace.ledger.write() as writer:
            assert append_decisions(workspace, writer, 0, part) == added
    assert (load_shard(workspace, 0).shard.decisions.epoch_at == EPOCH).sum() == len(rows)


@pytest.mark.parametrize(
    "change",
    [
        {"propensity": lambda d: d.propensity * 0.99},
        {"candidate_set": lambda d: d.candidate_set + np.uint64(1)},
        {"channel": lambda d: np.where(d.channel < 0, d.channel, 0).astype(np.int16)},
        {"slot_end": lambda d: np.where(d.slot_end == MISSING, MISSING, d.slot_end + 1)},
    ],
)
def test_another_plan_for_the_same_epoch_is_an_error(workspace: Workspace, change: dict) -> None:
    loaded = load_shard(workspace, 0)
    drawn = drawn_for(loaded)
    append(workspace, drawn, loaded)
    other = replace(drawn, **{name: make(drawn) for name, make in change.items()})
    with pytest.raises(WorkspaceError, match=r"epoch 1970-01-21T00:00:00Z.*'release-1'.*later epoch"):
        append(workspace, other, loaded)


def test_another_release_for_the_same_epoch_is_an_error_that_names_both(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 0)
    drawn = drawn_for(loaded)
    append(workspace, drawn, loaded)
    with pytest.raises(WorkspaceError, match=r"by release 'release-1'; release 'release-2' decides"):
        append(workspace, drawn, loaded, replace(RUN, release_id="release-2"))
    assert (load_shard(workspace, 0).shard.decisions.epoch_at == EPOCH).sum() == len(drawn)


def test_the_delivery_file_holds_all_rows_and_nothing_is_left_beside_it(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 0)
    rows = decision_rows(loaded, drawn_for(loaded), RUN)
    for _ in range(2):
        path = write_decisions(workspace, RUN, 0, rows)
    assert path == workspace.runs_path / "run-1" / "decisions" / "part-00.parquet"
    assert pl.read_parquet(path).equals(rows)
    assert list(path.parent.iterdir()) == [path]
    held = rows.filter(pl.col("action") == "hold")
    empty = ["opportunity_id", "message_id", "channel", "slot_start", "slot_end"]
    assert len(held) > 0
    assert held.select(empty).null_count().row(0) == (len(held),) * len(empty)
    assert rows["arms"].to_list() == [[]] * len(rows)


def test_names_of_objectives_must_fit_the_values(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 0)
    with pytest.raises(ValueError, match="values of 2 objectives, but names of 1"):
        decision_rows(loaded, drawn_for(loaded), replace(RUN, objectives=("clicks",)))


def test_exclusions_are_written_once_a_run(workspace: Workspace) -> None:
    loaded = load_shard(workspace, 1)
    exclusions = Exclusions(
        rules=("expired", "quiet_hours"),
        counts=np.array([5, 7]),
        user=np.array([0, 1], np.int32),
        opportunity=np.array([0, 1], np.int32),
        channel=np.array([0, 1], np.int16),
        slot_start=np.array([MISSING, EPOCH]),
        rule=np.array([0, 1], np.int16),
    )
    rows = exclusion_rows(loaded, exclusions, EPOCH, RUN)
    assert rows["rule"].to_list() == ["expired", "quiet_hours"]
    assert rows["slot_start"].is_null().to_list() == [True, False]
    assert rows["opportunity_id"].to_list() == loaded.ids.opportunities[:2].to_list()
    for added in (2, 0):
        with workspace.ledger.write() as writer:
            assert append_exclusions(workspace, writer, 1, rows) == added
    assert workspace.ledger.counts()["exclusions"] == 2
