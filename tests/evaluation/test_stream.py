import dataclasses

import numpy as np
import pytest

from homing.evaluation import (
    Thresholds,
    bootstrap,
    difference,
    dm,
    dr,
    importance_weights,
    ips,
    on_policy,
    sndr,
    snips,
    stream,
)
from homing.schema import InputError, LoggedRows

RNG = np.random.default_rng(9)
ROWS = 3000
COUNTS = RNG.integers(1, 6, ROWS)
OFFSETS = np.concatenate([[0], np.cumsum(COUNTS)])


def soft(scores):
    chance = np.exp(scores)
    return chance / np.repeat(np.add.reduceat(chance, OFFSETS[:-1]), COUNTS)


LOGGED, A, B = (soft(RNG.normal(size=OFFSETS[-1])) for _ in range(3))
CHOICE = (RNG.random(ROWS) * COUNTS).astype(int)
LOG = LoggedRows(
    user=RNG.integers(-200, 200, ROWS) * 10**15,
    reward=RNG.random(ROWS),
    propensity=LOGGED[OFFSETS[:-1] + CHOICE],
    choice=CHOICE,
    offsets=OFFSETS,
    targets={"a": A, "b": B},
    prediction=RNG.random(OFFSETS[-1]),
)


def part(first, last, log=LOG):
    """Return rows first:last of the log."""
    cut = slice(log.offsets[first], log.offsets[last])
    return LoggedRows(
        user=log.user[first:last],
        reward=log.reward[first:last],
        propensity=log.propensity[first:last],
        choice=log.choice[first:last],
        offsets=log.offsets[first : last + 1] - log.offsets[first],
        targets={name: target[cut] for name, target in log.targets.items()},
        prediction=None if log.prediction is None else log.prediction[cut],
    )


PARTS = [part(0, 1), part(1, 700), part(700, 2500), part(2500, ROWS)]


@pytest.mark.parametrize("policy", ["a", "b"])
def test_it_equals_the_estimators_on_the_whole_log(policy):
    target, place = LOG.targets[policy], OFFSETS[:-1] + CHOICE
    weight = importance_weights(target[place], LOG.propensity)
    doubly = (target, LOG.prediction, LOG.prediction[place], OFFSETS, LOG.user)
    expected = {
        "ips": ips(LOG.reward, weight, LOG.user),
        "snips": snips(LOG.reward, weight, LOG.user),
        "dm": dm(target, OFFSETS, LOG.prediction, LOG.user),
        "dr": dr(LOG.reward, weight, *doubly),
        "sndr": sndr(LOG.reward, weight, *doubly),
    }
    found = stream(PARTS)[policy]
    assert set(found) == set(expected)
    for name, estimate in expected.items():
        assert found[name].warnings == estimate.warnings
        for fact in (
            "value",
            "std_error",
            "low",
            "high",
            "users",
            "decisions",
            "effective_size",
            "max_weight",
        ):
            assert getattr(found[name], fact) == pytest.approx(getattr(estimate, fact), nan_ok=True), fact


def test_the_log_itself_is_the_policy_named_logging():
    found, expected = stream(PARTS)["logging"]["on_policy"], on_policy(LOG.reward, LOG.user)
    assert (found.value, found.std_error) == pytest.approx((expected.value, expected.std_error))


def test_the_order_of_parts_changes_nothing_but_rounding():
    forth, back = stream(PARTS), stream(PARTS[::-1])
    gap = difference(forth["b"]["dr"], back["b"]["dr"])
    assert gap.value == pytest.approx(0, abs=1e-12)
    assert gap.std_error == pytest.approx(0, abs=1e-12)
    again = [bootstrap(found["a"]["snips"], 50, groups=10**6) for found in (forth, back)]
    assert again[0].low == pytest.approx(again[1].low, abs=1e-12)


def test_one_row_by_hand():
    # two candidates of 0.25 and 0.75; the second was taken with chance 0.5: w = 1.5, r = 2, q = (1, 3)
    row = LoggedRows(
        user=np.array([5]),
        reward=np.array([2.0]),
        propensity=np.array([0.5]),
        choice=np.array([1]),
        offsets=np.array([0, 2]),
        targets={"new": np.array([0.25, 0.75])},
        prediction=np.array([1.0, 3.0]),
    )
    found = {name: estimate.value for name, estimate in stream([row])["new"].items()}
    assert found == {"ips": 3.0, "snips": 2.0, "dr": 2.5 + 1.5 * -1, "sndr": 2.5 - 1.0, "dm": 2.5}


def test_without_predictions_there_are_no_doubly_robust_ones():
    assert set(stream([dataclasses.replace(LOG, prediction=None)])["a"]) == {"ips", "snips"}


def test_thin_overlap_is_warned_of():
    found = stream(PARTS, thresholds=Thresholds(min_effective_size=10**6))["a"]["ips"]
    assert "thin overlap" in found.warnings[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": COUNTS}, "choice is outside its row's candidates in 3,000 rows"),
        ({"user": LOG.user.astype(str)}, "must be integers; hash ids that are text"),
        ({"targets": {"a": A * 2, "b": B}}, "target"),
        ({"targets": {"logging": A}}, "none named 'logging'"),
        ({"targets": {}}, "must be at least one"),
        ({"propensity": np.zeros(ROWS)}, "propensity"),
        ({"reward": np.full(ROWS, np.nan)}, "reward has 3,000 NaN"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        stream([dataclasses.replace(LOG, **change)])


def test_parts_must_be_of_one_log():
    with pytest.raises(InputError, match="parts is empty"):
        stream([])
    other = dataclasses.replace(LOG, prediction=None)
    with pytest.raises(InputError, match=r"no predictions, must have .* and predictions like the first"):
        stream([LOG, other])


def test_a_heavy_tail_is_found_in_parts_as_in_the_whole():
    rows = 20_000
    chance = np.random.default_rng(5).random(rows) ** 1.5 / 2  # of the choice, which the target always takes
    log = LoggedRows(
        user=np.arange(rows),
        reward=np.ones(rows),
        propensity=chance,
        choice=np.zeros(rows, int),
        offsets=np.arange(rows + 1),
        targets={"sure": np.ones(rows)},
    )
    whole = ips(log.reward, 1 / chance, log.user)
    found = stream([part(0, 9, log), part(9, 15_000, log), part(15_000, rows, log)])["sure"]["ips"]
    assert any(note.startswith("heavy tail") for note in found.warnings)
    assert found.warnings == whole.warnings
