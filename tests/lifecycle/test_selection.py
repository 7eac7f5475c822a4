import dataclasses

import numpy as np
import pytest

from homing.lifecycle.alerts import selection_alerts
from homing.lifecycle.selection import Scored, rank


def drawn(rows: int, truth: float, says: tuple[float, ...], seed: int) -> Scored:
    """Hold or one send alike, which brings `truth`; each learner says what the send brings."""
    draw = np.random.default_rng(seed)
    is_hold = draw.integers(0, 2, rows) == 0
    sends = np.tile(says, (rows, 1))
    return Scored(
        user=np.arange(rows),
        residual=truth * (~is_hold - 0.5) + draw.normal(size=rows),
        propensity=np.full(rows, 0.5),
        is_hold=is_hold,
        candidates=np.full(rows, 2),
        chosen=np.where(is_hold[:, None], 0.0, sends),
        sends=sends,
        best=np.maximum(sends, 0.0),
    )


def test_gains_by_hand() -> None:
    scored = Scored(
        user=np.arange(4),
        residual=np.array([-1.0, 0.0, 1.0, 2.0]),
        propensity=np.full(4, 0.5),
        is_hold=np.array([True, True, False, False]),
        candidates=np.full(4, 2),
        chosen=np.array([[0.0], [0.0], [0.2], [0.2]]),
        sends=np.full((4, 1), 0.2),
        best=np.full((4, 1), 0.2),
    )
    found = rank(("a",), scored, 0.95)
    assert found.decisions == 4
    # a send brings 1.5 - (-0.5) = 2 more than hold, and the log sends half of the time
    assert found.decides.versus_logging.value == pytest.approx(1.0)


def test_another_learner_decides_where_it_is_ahead() -> None:
    found = rank(("holds", "sends"), drawn(4_000, 0.3, (-1.0, 2.0), seed=0), 0.95)
    holds, sends = found.learners
    assert found.decides == sends
    assert (holds.judgement, sends.judgement) == ("worse", "better")
    assert sends.versus_logging.value == pytest.approx(0.15, abs=0.05)
    assert holds.versus_logging.value == pytest.approx(-sends.versus_logging.value, rel=0.1)
    assert found.advice == ""
    assert selection_alerts(found) == ()


def test_the_first_stands_unless_another_is_ahead_with_confidence() -> None:
    logs = [drawn(400, 0.0, (-1.0, 1.0), seed) for seed in range(200)]
    stands = sum(rank(("holds", "sends"), scored, 0.95).learners[0].decides for scored in logs)
    assert 193 <= stands < 200  # 197.5 in the mean: half of 95 %, which two learners share
    looser = sum(rank(("holds", "sends"), scored, 0.5).learners[0].decides for scored in logs)
    assert 164 <= looser <= 186  # 175 in the mean


def test_without_an_effect_the_current_policy_is_kept() -> None:
    found = [rank(("holds", "sends"), drawn(400, 0.0, (-1.0, 1.0), seed), 0.95) for seed in range(200)]
    # 2.5 % of the first, and half of that of the second
    assert sum(one.advice != "" for one in found) >= 185
    (alert,) = selection_alerts(next(one for one in found if one.advice))
    assert alert.sentence.startswith("Keep the current policy: over the horizon the learned policy (")


def test_others_have_wider_intervals() -> None:
    scored = drawn(400, 0.0, (1.0, 1.0, 1.0), seed=0)
    one, two, three = (learner.versus_logging for learner in rank(("a", "b", "c"), scored, 0.95).learners)
    assert one.value == pytest.approx(two.value)
    assert two == three
    # 2.394 in place of 1.960 standard errors
    assert (two.high - two.low) / (one.high - one.low) == pytest.approx(2.394 / 1.960, rel=1e-3)


def test_a_learner_that_says_nothing_does_not_decide() -> None:
    found = rank(("sends", "says nothing"), drawn(400, 0.3, (1.0, 0.0), seed=0), 0.95)
    assert found.decides.learner == "sends"
    assert found.learners[1].judgement == "do_not_trust"
    alone = rank(("says nothing",), drawn(400, 0.3, (0.0,), seed=0), 0.95)
    assert "Keep the current policy" in alone.advice


def test_a_log_shorter_than_the_horizon_tells_nothing() -> None:
    found = rank(("a", "b"), None, 0.95)
    assert found.decides.learner == "a"
    assert found.decisions == 0
    assert "no decision by chance is as old as the horizon" in found.advice


def test_parts_are_stacked() -> None:
    parts = [drawn(3, 0.0, (1.0,), 0), drawn(2, 0.0, (2.0,), 1)]
    whole = Scored.concatenate(parts)
    for field in dataclasses.fields(Scored):
        assert len(getattr(whole, field.name)) == 5
    np.testing.assert_array_equal(whole.sends[:, 0], [1, 1, 1, 2, 2])
