import dataclasses
import math

import numpy as np
import pytest
from small_world import SmallWorld

from homing.decision import best_share, utility
from homing.lifecycle.estimates import doubly_robust, targets
from homing.lifecycle.train import values_on_calibration
from homing.lifecycle.valuation import Valued
from homing.lifecycle.weights import FACTORS, Reweighted, weight_family, weight_sweeps
from homing.report.facts import WeightPoint


@pytest.fixture(scope="module")
def family(small_world: SmallWorld) -> tuple[Reweighted, ...]:
    return weight_family(small_world.workspace, small_world.trained.release)


def test_one_weight_at_a_time_and_all_explore_alike(
    small_world: SmallWorld, family: tuple[Reweighted, ...]
) -> None:
    release = small_world.trained.release
    values, offsets = values_on_calibration(small_world.workspace, release.view, release.model, release.split)
    today = best_share(utility(values, release.weights), offsets, release.temperature)
    assert today == pytest.approx(release.config.exploration.best_share, abs=0.01)
    assert len(family) == 3 * len(FACTORS)
    for one in family:
        expected = release.weights
        expected[one.objective] *= one.factor
        assert one.policy.weights == pytest.approx(expected)
        share = best_share(utility(values, one.policy.weights), offsets, one.policy.temperature)
        assert share == pytest.approx(today, abs=0.01)


def test_of_a_single_weight_there_is_nothing_to_trade(small_world: SmallWorld) -> None:
    release = small_world.trained.release
    objectives = {
        name: o.model_copy(update={"weight": float(name == "conversion")})
        for name, o in release.config.objectives.items()
    }
    alone = dataclasses.replace(release, config=release.config.model_copy(update={"objectives": objectives}))
    assert weight_family(small_world.workspace, alone) == ()


def test_points_are_doubly_robust_and_changes_are_paired(small_world: SmallWorld, valued: Valued) -> None:
    release = small_world.trained.release
    policy = release.policy()
    family = tuple(Reweighted(0, factor, policy) for factor in FACTORS)
    rng = np.random.default_rng(0)
    columns = 1 + len(family)
    log = dataclasses.replace(
        valued,
        direct=rng.normal(size=(len(valued), columns, 3)).astype(np.float32),
        weight=np.ones((len(valued), columns), np.float32),
        send=np.ones((len(valued), columns), np.float32),
    )
    config = release.config
    found = weight_sweeps(config, release, log, 0, family, 1)
    assert found is not None
    (sweep,) = found.sweeps
    assert [point.factor for point in sweep.points] == sorted([*FACTORS, 1.0])
    target = targets(config, release, log)[1]
    by_hand = doubly_robust(config, log, target, [0, 1 + FACTORS.index(4.0)])
    here, four = (point for point in sweep.points if point.factor in (1.0, 4.0))
    assert four.values[1].objective == target.name
    assert four.values[1].value.value == pytest.approx(by_hand[1].value)
    assert four.values[1].change.value == pytest.approx(by_hand[1].value - by_hand[0].value)
    assert here.values[1].value.value == pytest.approx(by_hand[0].value)
    assert here.values[1].judgement == "reference"
    # outcome and prediction are the same under all policies, so only `direct` is left in the change
    gap = log.direct[:, 1 + FACTORS.index(4.0), 0].astype(float) - log.direct[:, 0, 0]
    assert four.values[1].change.value == pytest.approx(gap.mean())
    half = (four.values[1].change.high - four.values[1].change.low) / 2
    assert half > 1.96 * gap.std() / math.sqrt(len(gap))
    assert found.rare == ()


def test_what_happens_to_hardly_anybody_is_told(small_world: SmallWorld, valued: Valued) -> None:
    release = small_world.trained.release
    outcome = valued.outcome.copy()
    outcome[:, 2] = 0
    outcome[:20, 2] = 1
    log = dataclasses.replace(valued, outcome=outcome)
    family = (Reweighted(0, 2.0, release.policy()),)
    log = dataclasses.replace(
        log,
        direct=np.repeat(log.direct, 2, axis=1),
        weight=np.repeat(log.weight, 2, axis=1),
        send=np.repeat(log.send, 2, axis=1),
    )
    found = weight_sweeps(release.config, release, log, 0, family, 1)
    assert found is not None
    assert found.rare == (release.objectives[2],)


def test_the_evaluation_has_every_point(small_world: SmallWorld) -> None:
    found = small_world.evaluated.record.facts.tradeoffs
    assert found is not None
    assert [sweep.objective for sweep in found.sweeps] == list(small_world.trained.release.objectives)
    learned = next(p for p in small_world.evaluated.values.objectives[0].policies if p.learned)
    for sweep in found.sweeps:
        here: WeightPoint = next(point for point in sweep.points if point.factor == 1)
        assert here.values[0].value.value == pytest.approx(learned.value.value)
        weights = [point.weight / here.weight for point in sweep.points]
        assert weights == pytest.approx([point.factor for point in sweep.points])
