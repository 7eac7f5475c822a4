from collections.abc import Callable

import numpy as np
import pytest
from small_world import SmallWorld

from homing.lifecycle.evaluate import evaluate
from homing.report.encoding import encode
from homing.store import Workspace


@pytest.mark.e2e
def test_a_plan_whose_outcomes_are_not_known_changes_no_estimate(
    small_world: SmallWorld, copied: Callable[[], Workspace]
) -> None:
    before = small_world.evaluated
    again = evaluate(copied(), ["hold"])  # the copy has the plan's decisions, too
    assert small_world.planned.added > 0
    assert again.values.decisions == before.values.decisions
    (held,) = (p for p in again.values.objectives[0].policies if p.policy == "hold")
    assert held.value.value == next(
        p.value.value for p in before.values.objectives[0].policies if p.policy == "hold"
    )
    traded, was = again.record.facts.tradeoffs, before.record.facts.tradeoffs
    assert traded is not None and was is not None
    assert encode(traded) == encode(was)
    assert all(np.isfinite(v.value.value) for s in traded.sweeps for p in s.points for v in p.values)
    assert encode(again.record.facts.journeys) == encode(before.record.facts.journeys)
