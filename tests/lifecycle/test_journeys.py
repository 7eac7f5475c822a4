import dataclasses
from collections import Counter, defaultdict

import numpy as np
import pytest
from small_world import SmallWorld

from homing.lifecycle.journeys import EVERYONE, find_journeys, journeys
from homing.lifecycle.replay import observed_until, stages_at
from homing.lifecycle.splits import TEST
from homing.lifecycle.valuation import Valued
from homing.schema import Instants
from homing.schema.times import DAY, MISSING
from homing.state import STAGES
from homing.store import load_shard


def slow_stage(visits: np.ndarray, signed_up: int, at: int) -> str:
    """The definition of `homing.state.stages`, from a user's visits alone."""
    days = (at - visits[visits < at]) / DAY
    if signed_up != MISSING and signed_up <= at and at - signed_up < 28 * DAY:
        return "new"
    quiet = days.min(initial=np.inf)
    if quiet >= 28:
        return "dormant"
    if quiet >= 7:
        return "at risk"
    short, long = (float((0.5 ** (days / half)).sum()) / half for half in (1, 28))
    return "growing" if short > 1.5 * long else "steady"


def test_stages_at_any_instant_are_those_of_the_definition(small_world: SmallWorld) -> None:
    view, watermark = small_world.trained.release.view, observed_until(small_world.workspace)
    shard = load_shard(small_world.workspace, 0).shard
    users = np.arange(len(shard.users), dtype=np.int32)
    for at in (small_world.end - 9 * DAY, watermark):
        found = stages_at(shard, view, Instants(users, np.full(len(users), at)), watermark)
        session = shard.vocabularies.event_types.code("session")
        wrong = 0
        for user in users.tolist():
            rows = slice(shard.events.offsets[user], shard.events.offsets[user + 1])
            visits = shard.events.at[rows][shard.events.type[rows] == session]
            told = slow_stage(visits, int(shard.users.signed_up_at[user]), at)
            wrong += STAGES[found[user]] != told
        assert wrong <= 1  # a rate may lie on the edge within rounding
    late = stages_at(shard, view, Instants(users, np.full(len(users), watermark + 1)), watermark)
    assert (late == -1).all()


def test_flows_of_the_log_are_shares_of_a_loop(small_world: SmallWorld) -> None:
    found = journeys(small_world.workspace)
    release, watermark = small_world.trained.release, observed_until(small_world.workspace)
    moves: dict[str, Counter[str]] = defaultdict(Counter)
    for partition in range(small_world.workspace.ledger.partitions):
        shard = load_shard(small_world.workspace, partition).shard
        log = shard.decisions
        test = release.split.assign(shard.users, log.user, log.epoch_at) == TEST
        rows = np.flatnonzero(test & (log.epoch_at + 7 * DAY <= watermark))
        there, later = (
            stages_at(shard, release.view, Instants(log.user[rows], log.epoch_at[rows] + wait), watermark)
            for wait in (0, 7 * DAY)
        )
        for start, end in zip(there.tolist(), later.tolist(), strict=True):
            moves[STAGES[start]][STAGES[end]] += 1
            moves[EVERYONE][STAGES[end]] += 1
    assert found.decisions == moves[EVERYONE].total() > 500
    for flow in found.flows:
        assert flow.logged.value == pytest.approx(moves[flow.start][flow.end] / moves[flow.start].total())
    assert {flow.start for flow in found.flows} == set(moves)
    for share in found.shares:
        assert share.value == pytest.approx(moves[share.name].total() / found.decisions)


def test_changes_are_weighed_means_of_one_decision(small_world: SmallWorld, valued: Valued) -> None:
    rng, release = np.random.default_rng(0), small_world.trained.release
    rows = len(valued)
    send = rng.random(rows) < 0.5
    stage = np.tile([0, 4], rows // 2).astype(np.int8)
    # who was sent a message is in stage 2 later, who was not stays
    later = np.where(send, 2, stage).astype(np.int8)
    weight = np.where(send, 1.6, 0.4)  # of a policy that sends in 80 of 100 cases
    log = dataclasses.replace(valued, stage=stage, later=later, weight=weight[:, None].astype(np.float32))
    found = find_journeys(release.config, release, log, 0)
    assert found is not None
    flows = {(flow.start, flow.end): flow for flow in found.flows}
    new = stage == 0
    logged = send[new].mean()
    assert flows["new", "steady"].logged.value == pytest.approx(logged)
    by_hand = ((weight[new] - 1) * (send[new] - logged)).mean()
    assert flows["new", "steady"].change.value == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.3, abs=0.03)
    assert flows["new", "steady"].judgement == "more"
    assert flows["new", "new"].judgement == "less"
    assert flows["new", "at risk"].judgement == "cannot_tell"
    assert np.isnan(flows["new", "at risk"].change.low)  # it never happened: a value, and no interval
    for start in ("new", "dormant", EVERYONE):
        assert sum(flows[start, end].change.value for end in STAGES) == pytest.approx(0, abs=1e-9)
        assert sum(flows[start, end].logged.value for end in STAGES) == pytest.approx(1)


def test_values_by_stage_add_up_to_the_whole(small_world: SmallWorld, valued: Valued) -> None:
    release = small_world.trained.release
    log = dataclasses.replace(valued, later=valued.stage)
    found = find_journeys(release.config, release, log, 0)
    assert found is not None
    rows = [row for row in found.values if row.objective == release.objectives[0]]
    assert [row.stage for row in rows] == ["new", "dormant"]
    assert np.mean([row.logged.value for row in rows]) == pytest.approx(valued.outcome[:, 0].mean())
    assert np.mean([row.change.value for row in rows]) == pytest.approx(valued.direct[:, 0, 0].mean())


def test_without_later_stages_there_is_nothing_to_tell(small_world: SmallWorld, valued: Valued) -> None:
    log = dataclasses.replace(valued, later=np.full(len(valued), -1, np.int8))
    assert find_journeys(small_world.workspace.config, small_world.trained.release, log, 0) is None
