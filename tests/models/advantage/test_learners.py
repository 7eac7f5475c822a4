from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homing.models.advantage import LEARNERS, Advantage, Baseline, Basis, EffectCurve
from homing.models.advantage.learners import look_ahead
from homing.models.inputs import measure_columns

HALF_LIFE, HORIZON = 1.0, 4


@pytest.fixture(scope="module")
def advantage() -> Advantage:
    """One objective, one channel, one domain: five factors, five of the channel, one response, one domain."""
    basis = Basis(
        heads=("days", "message.opened", "message.clicked"),
        channels=1,
        domains=1,
        fatigue=(0,),
        activity=0,
        centre=np.zeros(5),
        scale=np.ones(5),
        response_scale=np.array([0.5, 1.0, 1.0]),
        context_centre=np.zeros(0),
        context_scale=np.ones(0),
    )
    first, later = np.arange(12.0), np.full(12, 7.0)
    curve = EffectCurve(HALF_LIFE, first, later, np.eye(12), 0.0)
    baseline = Baseline(measure_columns(np.zeros((2, 1), np.float32)), (), np.zeros((3, 1)))
    return Advantage(("days",), (HORIZON,), basis, (curve,), baseline)


def test_the_preferred_one_is_as_learned(advantage: Advantage) -> None:
    name, learner = next(iter(LEARNERS.items()))
    assert name == "long-term"
    assert learner(advantage) is advantage


def test_looking_ahead_less_counts_fewer_days(advantage: Advantage) -> None:
    (far,) = advantage.curves
    # later days fade by 1/2, 1/4, 1/8: the second day has 4/7 of them, the first three days 6/7
    for days, share in ((1, 0.0), (2, 4 / 7), (3, 6 / 7), (4, 1.0)):
        (near,) = look_ahead(days / HORIZON)(advantage).curves
        np.testing.assert_array_equal(near.first, far.first)
        np.testing.assert_allclose(near.later, far.later * share)


def test_what_no_log_tells_stays_nothing(advantage: Advantage) -> None:
    curve = replace(advantage.curves[0], half_life=np.nan, later=np.zeros(12))
    for learner in LEARNERS.values():
        (found,) = learner(replace(advantage, curves=(curve,))).curves
        np.testing.assert_array_equal(found.later, 0.0)


def test_short_term_is_the_response_alone(advantage: Advantage) -> None:
    (curve,) = LEARNERS["short-term"](advantage).curves
    wanted = np.zeros(12)
    wanted[10] = 0.5  # the response's column is in units of 0.5
    np.testing.assert_array_equal(curve.first, wanted)
    np.testing.assert_array_equal(curve.later, 0.0)


def test_every_learner_can_be_saved(advantage: Advantage, tmp_path: Path) -> None:
    for learner in LEARNERS.values():
        made = learner(advantage)
        made.save(tmp_path)
        read = Advantage.load(tmp_path)
        np.testing.assert_array_equal(read.curves[0].total, made.curves[0].total)
