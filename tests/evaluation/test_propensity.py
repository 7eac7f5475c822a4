import math

import numpy as np
import pytest

from homing.evaluation import check_chosen, check_distribution, probability_bins
from homing.evaluation.diagnostics.propensity import chi_square_tail
from homing.schema import InputError


def make_log(rng, rows, boost=0.0):
    """Logged probabilities, and choices that were drawn with the first group's scores boosted."""
    counts = rng.integers(2, 9, rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(rows), counts)
    group = rng.integers(1, 4, offsets[-1])
    group[offsets[:-1]] = 0
    score = rng.normal(size=offsets[-1])

    def soft(values):
        chance = np.exp(values)
        return 0.9 * chance / np.add.reduceat(chance, offsets[:-1])[row] + 0.1 / counts[row]

    logged = soft(score)
    drawn = np.cumsum(soft(score + boost * (group == 0)))
    start = np.concatenate([[0], drawn])[offsets[:-1]]
    place = np.searchsorted(drawn, start + rng.random(rows) * (drawn[offsets[1:] - 1] - start), side="right")
    return logged, offsets, np.minimum(place, offsets[1:] - 1), group, counts


def check_hold(logged, offsets, choice, group, counts, user):
    held = {"hold": (group[choice] == 0, np.ones(len(counts)))}
    return check_chosen(logged[choice], counts, user, held)


def test_distribution_by_hand():
    # 100 rows of (hold 0.8, send 0.2), 30 sent: expected 20, variance 100 * 0.8 * 0.2 = 16, z = 10 / 4
    # one degree of freedom: chi-square 6.25
    choice = 2 * np.arange(100) + (np.arange(100) < 30)
    found = check_distribution(
        np.tile([0.8, 0.2], 100), np.arange(0, 201, 2), choice, np.tile([0, 1], 100), {0: "hold", 1: "send"}
    )
    hold, send = found.groups
    assert (hold.name, hold.expected, hold.observed) == ("hold", pytest.approx(80), 70)
    assert send.z == pytest.approx(2.5)
    assert send.off_by == pytest.approx(0.5)
    assert found.p_value == pytest.approx(math.erfc(2.5 / math.sqrt(2)))
    assert found.passed
    assert not check_distribution(
        np.tile([0.8, 0.2], 100), np.arange(0, 201, 2), choice, np.tile([0, 1], 100), alpha=0.02
    ).passed


def test_chosen_by_hand():
    # one user a row, p = 1/2 of 2 candidates: 1/p - 2 = 0 in every row
    assert check_chosen([0.5] * 4, [2] * 4).groups[0].observed == 8
    assert check_chosen([0.5] * 4, [2] * 4).passed
    # every row short by the same: certain
    assert check_chosen([0.5] * 4, [3] * 4).groups[0].z == -math.inf
    assert not check_chosen([0.5] * 4, [3] * 4).passed
    # 1/p - K = 0, 0, 1, 1: mean 1/2, sd sqrt(1/3), t = sqrt(3), no skewness
    found = check_chosen([0.5, 0.5, 1 / 3, 1 / 3], [2, 2, 2, 2])
    assert found.groups[0].z == pytest.approx(math.sqrt(3))
    assert found.p_value == pytest.approx(math.erfc(math.sqrt(1.5)))


def test_correct_logs_pass_and_wrong_ones_do_not():
    rng = np.random.default_rng(0)
    alarms = {"group": 0, "bins": 0, "chosen": 0}
    for _ in range(200):
        log = make_log(rng, 1000)
        alarms["group"] += not check_distribution(*log[:4]).passed
        alarms["bins"] += not check_distribution(*log[:3], probability_bins(log[0])).passed
        alarms["chosen"] += not check_hold(*log, np.arange(1000) // 4).passed
    # 2 of 200 are expected at 1 %; 8 or more have a probability of 0.1 %
    assert all(count <= 8 for count in alarms.values())
    for _ in range(5):
        wrong = make_log(rng, 20_000, boost=0.2)
        assert not check_distribution(*wrong[:4]).passed
        assert not check_hold(*wrong, np.arange(20_000) // 4).passed


def test_rounded_propensities_are_not_accused_and_coarse_ones_are():
    hold = {"hold": (np.arange(999) % 3 == 0, np.ones(999))}
    assert check_chosen(np.full(999, 1 / 3, np.float32), np.full(999, 3), np.arange(999) // 2, hold).passed
    assert check_chosen(np.full(999, 0.333333), np.full(999, 3)).groups[0].z == 0
    assert not check_chosen(np.full(999, 0.33), np.full(999, 3)).passed


def test_propensities_off_by_a_tenth_are_found_and_named():
    rng = np.random.default_rng(1)
    logged, offsets, choice, group, counts = make_log(rng, 20_000)
    found = check_chosen(logged[choice] * 0.9, counts)
    assert not found.passed
    assert found.groups[0].off_by == pytest.approx(1 / 0.9 - 1, abs=0.03)
    assert "all candidates came up +1" in found.warnings[0]
    shrunk = check_distribution(logged * 0.9, offsets, choice, group)
    assert "probabilities do not sum to 1 in 20,000 of 20,000 rows" in shrunk.warnings[0]


def test_draws_that_ignore_the_probabilities_are_found_by_bins():
    rng = np.random.default_rng(2)
    logged, offsets, _, _, counts = make_log(rng, 2000)
    uniform = offsets[:-1] + rng.integers(counts)
    assert not check_distribution(logged, offsets, uniform, probability_bins(logged)).passed


def test_a_choice_that_could_not_be_is_found():
    found = check_distribution([1.0, 0.0], [0, 2], [1], [0, 1])
    assert found.warnings == ("1 choices had a logged probability of 0",)
    assert math.isnan(found.p_value)
    with pytest.raises(InputError, match="choice is outside its row's candidates in 1 rows"):
        check_distribution([1.0, 1.0], [0, 1, 2], [0, 0], [0, 0])


def test_bins_have_equal_sums():
    chance = np.random.default_rng(3).random(10_000)
    sums = np.bincount(probability_bins(chance, 5), weights=chance)
    assert len(sums) == 5
    assert sums == pytest.approx(np.full(5, chance.sum() / 5), rel=0.01)
    assert set(probability_bins([0.5] * 6).tolist()) == {0}
    with pytest.raises(InputError, match="bins == 1"):
        probability_bins([0.5], 1)


@pytest.mark.parametrize(
    ("statistic", "freedom", "tail"),
    # the 5 % and 1 % points of printed tables
    [
        (3.841459, 1, 0.05),
        (5.991465, 2, 0.05),
        (16.811894, 6, 0.01),
        (18.307038, 10, 0.05),
        (135.807, 100, 0.01),
    ],
)
def test_chi_square_tail_by_table(statistic, freedom, tail):
    assert chi_square_tail(statistic, freedom) == pytest.approx(tail, rel=1e-4)


def test_chi_square_tail_at_its_ends():
    assert chi_square_tail(0, 3) == 1
    assert chi_square_tail(1e4, 3) == 0
    with pytest.raises(InputError, match="degrees of freedom"):
        chi_square_tail(1, 0)


@pytest.mark.parametrize(
    ("propensity", "candidates", "message"),
    [([0.0], [2], r"must be in \(0, 1\]"), ([0.5], [0], "must be >= 1"), ([0.5], [1, 2], "must have 1")],
)
def test_bad_input(propensity, candidates, message):
    with pytest.raises(InputError, match=message):
        check_chosen(propensity, candidates)
