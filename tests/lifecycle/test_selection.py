import numpy as np
import pytest
from numpy.typing import NDArray

from homing.lifecycle.alerts import selection_alerts
from homing.lifecycle.selection import rank
from homing.report.facts import Selection
from homing.schema.config import Evaluation

SETTINGS = Evaluation(min_effective_size=0, min_effective_share=0)


def drawn(
    rows: int, effect: float, noise: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Choices 0 or 1 alike, of which 1 brings `effect`: outcomes, and weights of three learners.

    The first takes each choice half of the time, the second always 0, the third always 1.
    """
    draw = np.random.default_rng(seed)
    choice = draw.integers(0, 2, rows)
    outcome = effect * choice + noise * draw.normal(size=rows)
    return outcome, np.stack([np.ones(rows), 2.0 * (choice == 0), 2.0 * (choice == 1)], axis=1)


def test_gains_by_hand() -> None:
    # two users, four decisions; the mean is 1, so centred outcomes are 1, -1, 1, -1
    outcome = np.array([2.0, 0.0, 2.0, 0.0])
    weight = np.array([[1.0, 0.0], [1.0, 2.0], [1.0, 2.0], [1.0, 0.0]])
    chosen, found = rank(("a", "b"), outcome, weight, np.array([0, 0, 1, 1]), SETTINGS)
    assert chosen == "a"
    assert found.decisions == 4
    first, second = (learner.versus_logging for learner in found.learners)
    assert first.value == pytest.approx(0.0)
    assert second.value == pytest.approx((-1 - 1 + 1 + 1) / 4)  # (w - 1) r: -1 x 1, 1 x -1, 1 x 1, -1 x -1


def test_another_learner_decides_where_it_is_ahead() -> None:
    outcome, weight = drawn(4_000, 0.5, 1.0, seed=0)
    chosen, found = rank(("log", "zero", "one"), outcome, weight, np.arange(4_000), SETTINGS)
    assert chosen == "one"
    assert [learner.judgement for learner in found.learners] == ["cannot_tell", "worse", "better"]
    assert found.decides.versus_logging.value == pytest.approx(0.25, abs=0.1)
    assert found.advice == ""
    assert selection_alerts(found) == ()


def test_the_first_stands_within_a_standard_error() -> None:
    stands = 0
    for seed in range(100):
        outcome, weight = drawn(400, 0.0, 1.0, seed)
        chosen, _ = rank(("zero", "one"), outcome, weight[:, 1:], np.arange(400), SETTINGS)
        stands += chosen == "zero"
    assert 75 <= stands <= 93  # 84 of 100 in the mean


def test_without_an_effect_the_current_policy_is_kept() -> None:
    kept = 0
    for seed in range(200):
        outcome, weight = drawn(400, 0.0, 1.0, seed)
        _, found = rank(("log", "zero", "one"), outcome, weight, np.arange(400), SETTINGS)
        kept += found.advice != ""
    assert kept >= 194  # a third of the 5 % goes to each, and half of it is on the good side
    (alert,) = selection_alerts(found)
    assert alert.sentence.startswith("Keep the current policy: ")


def test_what_the_log_does_not_carry_is_not_chosen() -> None:
    outcome, weight = drawn(4_000, 0.5, 1.0, seed=0)
    _, trusted = rank(("log", "one"), outcome, weight[:, [0, 2]], np.arange(4_000), Evaluation())
    thin = Evaluation(min_effective_size=3_000)  # always taking 1 has half of the decisions
    chosen, found = rank(("log", "one"), outcome, weight[:, [0, 2]], np.arange(4_000), thin)
    assert trusted.decides.learner == "one"
    assert chosen == "log"
    assert found.learners[1].judgement == "do_not_trust"


def test_a_log_shorter_than_the_horizon_tells_nothing() -> None:
    chosen, found = rank(("a", "b"), np.zeros(0), np.zeros((0, 2)), np.zeros(0, np.int64), SETTINGS)
    assert chosen == "a"
    assert found.decisions == 0
    assert "no decision by chance is as old as the horizon" in found.advice
    assert Selection(found.learners, 0).decides.learner == "a"
