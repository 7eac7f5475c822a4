from collections.abc import Callable

import numpy as np
import pytest
from small_world import SmallWorld

from homing.decision import Hold
from homing.lifecycle.evaluate import evaluate
from homing.schema import InputError
from homing.store import Workspace


def test_two_policies_of_one_name_are_refused(small_world: SmallWorld) -> None:
    with pytest.raises(InputError, match="two policies have the name 'hold'"):
        evaluate(small_world.workspace, ["hold", Hold()])


@pytest.mark.e2e
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
    assert again.record.facts.weights is not None
    assert again.record.facts.weights == before.record.facts.weights
    assert all(
        np.isfinite(named.value) for s in again.record.facts.weights for p in s.points for named in p.values
    )
