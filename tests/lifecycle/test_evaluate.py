import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from small_world import SmallWorld

from homing.decision import Hold
from homing.lifecycle.evaluate import evaluate, usable_decisions
from homing.report.encoding import encode
from homing.schema import InputError, Reason
from homing.schema.times import DAY, MISSING
from homing.store import Workspace, load_shard


def test_two_policies_of_one_name_are_refused(small_world: SmallWorld) -> None:
    with pytest.raises(InputError, match="two policies have the name 'hold'"):
        evaluate(small_world.workspace, ["hold", Hold()])


@pytest.mark.slow
def test_a_plan_whose_outcomes_are_not_known_changes_no_estimate(
    small_world: SmallWorld, copied: Callable[[], Workspace]
) -> None:
    before = small_world.evaluated
    again = evaluate(copied(), ["hold", Hold("mine")])  # the copy has the plan's decisions, too
    assert small_world.planned.added > 0
    assert again.values.decisions == before.values.decisions
    (held,) = (p for p in again.values.objectives[0].policies if p.policy == "hold")
    assert held.value.value == next(
        p.value.value for p in before.values.objectives[0].policies if p.policy == "hold"
    )
    (mine,) = (p for p in again.values.objectives[0].policies if p.policy == "mine")
    assert mine.value == held.value
    traded, was = again.record.facts.tradeoffs, before.record.facts.tradeoffs
    assert traded is not None and was is not None
    assert encode(traded) == encode(was)
    assert all(np.isfinite(v.value.value) for s in traded.sweeps for p in s.points for v in p.values)
    assert encode(again.record.facts.journeys) == encode(before.record.facts.journeys)


def test_decisions_of_arms_without_a_choice_are_left_out(small_world: SmallWorld) -> None:
    """`hold` gives all others no chance; arms that leave every candidate its chance stay in."""
    log = load_shard(small_world.workspace, 0).shard.decisions
    arm = np.arange(len(log.reason)) % 3 == 0
    tried = dataclasses.replace(log, reason=np.where(arm, np.int8(Reason.arm), log.reason))
    usable = usable_decisions(tried, small_world.end, DAY)
    old = log.epoch_at <= small_world.end - DAY
    assert 0 < old.sum() < len(old)  # not the plan
    assert usable.tolist() == (old & ~arm).tolist()
    assert usable_decisions(log, small_world.end, DAY).tolist() == (old & (log.reason != Reason.arm)).tolist()
    assert not usable_decisions(log, MISSING, DAY).any()
