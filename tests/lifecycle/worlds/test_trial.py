from pathlib import Path

import numpy as np
import pytest
from small_world import DAYS, USERS, SmallWorld

from homing.lifecycle.record import load_record
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.trial import _measure, _per_decision, hold_trial, in_treatment
from homing.report.facts import Trial
from homing.report.leaderboard import Measure
from homing.schema import InputError
from homing.simulator import Setup, world_maker

Z = 1.959963984540054


@pytest.fixture(scope="module")
def trial(small_world: SmallWorld) -> Trial:
    ground = Ground.of(small_world.workspace)
    return hold_trial("streaming", Setup(USERS, DAYS + 14), DAYS, ground, small_world.evaluated.values)


def test_every_person_is_in_one_arm(trial: Trial) -> None:
    assert sum(trial.people) == USERS
    assert min(trial.people) > 0.4 * USERS
    treated = in_treatment(world_maker("streaming")(Setup(10_000, 1)).users)
    assert 0.48 < treated.mean() < 0.52
    assert trial.days == 14
    assert (trial.treatment, trial.control) == ("learned", "rules")


def test_the_promise_is_the_evaluations_and_the_outcome_is_another_number(
    small_world: SmallWorld, trial: Trial
) -> None:
    values = small_world.evaluated.values
    assert [promise.objective for promise in trial.promises] == [t.objective for t in values.objectives]
    for table, promise in zip(values.objectives, trial.promises, strict=True):
        named = {policy.policy: policy.value for policy in table.policies}
        assert promise.promised == named["learned"]
        assert promise.log == named[values.logging]
        assert promise.realised.low < promise.realised.value < promise.realised.high
        assert promise.realised.value != promise.control.value
    by_name = {promise.objective: promise for promise in trial.promises}
    weights = {"conversion": 1.0, "engagement": 0.002, "annoyance": -0.5}
    total = sum(weight * by_name[name].realised.value for name, weight in weights.items())
    assert by_name["utility"].realised.value == pytest.approx(total)


def test_it_is_kept_as_a_record(small_world: SmallWorld, trial: Trial) -> None:
    record = load_record(small_world.workspace, "demo")
    assert record is not None
    assert record.trial == trial


def test_the_adjusted_difference_by_hand() -> None:
    """Ten thousand people whose number stays with them: the adjustment takes that away, and no bias comes."""
    random = np.random.default_rng(2)
    before = random.gamma(2.0, 3.0, 10_000)
    treated = random.random(10_000) < 0.5
    after = before + 0.3 * treated + 0.2 * random.standard_normal(10_000)
    measure = Measure("x", "number", "up", "of a person")
    found = _measure(measure, before, after, treated, Z)
    assert found.difference.low < 0.3 < found.difference.high
    assert found.difference.high - found.difference.low < 0.02
    plain = _measure(measure, np.zeros(10_000), after, treated, Z)
    assert plain.difference.value == pytest.approx(after[treated].mean() - after[~treated].mean())
    wide = Z * np.sqrt(
        after[treated].var(ddof=1) / treated.sum() + after[~treated].var(ddof=1) / (~treated).sum()
    )
    assert plain.difference.high - plain.difference.value == pytest.approx(wide)
    assert plain.relative.value == pytest.approx(plain.difference.value / after[~treated].mean())


def test_a_mean_over_decisions_has_an_interval_over_people() -> None:
    """Each person decides four times and always alike: as certain as a quarter of the decisions."""
    once = np.array([0.0, 1.0] * 500)
    found = _per_decision(4 * once, np.full(1000, 4.0), Z)
    assert found.value == 0.5
    assert found.high - found.value == pytest.approx(Z * once.std(ddof=1) / np.sqrt(1000))


def test_a_short_trial_is_refused(small_world: SmallWorld, tmp_path: Path) -> None:
    ground = Ground.of(small_world.workspace)
    with pytest.raises(InputError, match="trial == 2 days, must be at least as long as the longest window"):
        hold_trial("streaming", Setup(USERS, DAYS + 2), DAYS, ground, small_world.evaluated.values)
