import csv
import os
from pathlib import Path

import numpy as np
import pytest

from homing.experiments import causal_excursion
from homing.schema import InputError


def trial(name):
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("HOMING_DATA", root.parent / "shared" / "data")) / "mrt_reference"
    if not folder.is_dir():
        pytest.skip("no reference trials in the folder that HOMING_DATA names, nor beside the project")
    with (folder / name).open() as lines:
        rows = list(csv.DictReader(lines))
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def test_published_differences():
    """WCLS of the package of the method's authors, to seven digits."""
    data = trial("data_mimicHeartSteps.csv")
    found = causal_excursion(
        data["logstep_30min"],
        data["intervention"],
        data["rand_prob"],
        data["userid"],
        controls={"before": data["logstep_pre30min"]},
        available=data["avail"],
        numerator=0.6,
    )
    assert [*found.controls, *found.value] == pytest.approx([2.0115176, 0.3395683, 0.1574444], abs=1e-7)


def ratios(**options):
    data = trial("data_binary.csv")
    return causal_excursion(
        data["Y"],
        data["A"],
        data["rand_prob"],
        data["userid"],
        moderators={"time": data["time_var1"]},
        controls={"time": data["time_var1"], "late": data["time_var2"]},
        available=data["avail"],
        **options,
    )


def test_published_ratios():
    found = ratios(link="log", numerator=0.5)
    assert found.effects == ("send", "send x time")
    assert found.value == pytest.approx([0.08114495, 0.42931332], abs=1e-6)
    assert found.controls == pytest.approx([-1.4542369, 0.4565905, 0.2479836], abs=1e-6)
    assert found.std_error_plain == pytest.approx([0.1301265, 0.1882975], abs=1e-6)
    assert found.std_error == pytest.approx([0.1316436, 0.1905454], abs=1e-6)


def test_published_ratios_centred():
    """The correction of the authors' package lets moments that are not available into leverages; ours not."""
    found = ratios(link="log_centred")
    assert found.value == pytest.approx([0.08502509, 0.41260611], abs=1e-6)
    assert found.controls == pytest.approx([-1.4358563, 0.6935913, 0.2647090], abs=1e-6)
    assert found.std_error_plain == pytest.approx([0.1250711, 0.1810747], abs=1e-6)
    assert found.std_error == pytest.approx([0.1266788, 0.1834912], rel=2e-3)


RNG = np.random.default_rng(0)
USERS, TIMES = 30, 20
USER = np.repeat(np.arange(USERS), TIMES)
SENT = RNG.random(USERS * TIMES) < 0.4
HALF = np.full(USERS * TIMES, 0.4)
Y = RNG.poisson(1 + SENT).astype(float)


def test_constant_probabilities_give_differences_and_ratios_of_means():
    with_send, without = Y[SENT].mean(), Y[~SENT].mean()
    assert causal_excursion(Y, SENT, HALF, USER).value == pytest.approx([with_send - without])
    found = causal_excursion(Y, SENT, HALF, USER, link="log")
    assert found.value == pytest.approx([np.log(with_send / without)])
    assert np.exp(found.controls) == pytest.approx([without])
    centred = causal_excursion(Y, SENT, HALF, USER, link="log_centred")
    assert centred.value == pytest.approx(found.value)
    assert centred.std_error_plain == pytest.approx(found.std_error_plain)


def test_each_row_a_user_is_the_robust_variance_of_means():
    """Without the correction HC0, with it the leverage 1 / n of an arm: (1 - 1/n)^-2."""
    found = causal_excursion(Y, SENT, HALF, np.arange(len(Y)))
    parts = [Y[SENT], Y[~SENT]]
    assert found.std_error_plain**2 == pytest.approx([sum(p.var() / len(p) for p in parts)])
    corrected = sum(p.var() / len(p) / (1 - 1 / len(p)) ** 2 for p in parts)
    assert found.std_error**2 == pytest.approx([corrected], rel=2e-3)


def test_moments_that_are_not_available_do_not_count():
    there = RNG.random(len(Y)) < 0.7
    dirty = np.where(there, Y, 1e6)
    a = causal_excursion(dirty, SENT, np.where(there, HALF, 0.0), USER, available=there)
    b = causal_excursion(Y[there], SENT[there], HALF[there], USER[there])
    assert a.value == pytest.approx(b.value)
    assert a.std_error == pytest.approx(b.std_error)


@pytest.mark.parametrize("link", ["identity", "log", "log_centred"])
def test_coverage_with_probabilities_that_depend_on_the_past(link):
    """Sends and outcome depend on activity; the effect is 0.5, or a ratio of e^0.3; few users."""
    rng, covered, runs = np.random.default_rng(1), 0, 200
    users, times = 25, 15
    for _ in range(runs):
        level = rng.normal(size=users)[:, None] * 0.3
        active = rng.random((users, times)) < 0.5
        chance = np.where(active, 0.7, 0.3)
        sent = rng.random((users, times)) < chance
        if link == "identity":
            y = level + active + 0.5 * sent + rng.normal(size=sent.shape)
        else:
            y = (rng.random(sent.shape) < 0.25 * np.exp(0.3 * sent + 0.4 * active + level - 0.3)) * 1.0
        user = np.repeat(np.arange(users), times)
        found = causal_excursion(y.ravel(), sent.ravel(), chance.ravel(), user, link=link)
        covered += found.low[0] < (0.5 if link == "identity" else 0.3) < found.high[0]
    assert covered / runs == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"probability": np.ones(len(Y))}, "must be in \\(0, 1\\)"),
        ({"sent": Y}, "must be True or False"),
        ({"outcome": Y - 5, "link": "log"}, "for outcomes >= 0"),
        ({"outcome": Y - 5, "link": "log_centred"}, "for outcomes >= 0"),
        ({"numerator": 0.4, "link": "log_centred"}, "log_centred has none"),
        ({"outcome": np.where(SENT, 0.0, Y), "link": "log"}, "does not converge"),
        ({"user": np.zeros(len(Y))}, "too few for 2"),
        ({"controls": {"one": np.ones(len(Y))}}, "repeat each other"),
        ({"numerator": 1.0}, "numerator must be"),
        ({"controls": {"x": Y[:5]}}, "x has shape"),
        ({"outcome": np.full(len(Y), np.nan)}, "missing or infinite"),
        ({"confidence": 95}, "confidence == 95"),
    ],
)
def test_bad_input(change, rule):
    with pytest.raises(InputError, match=rule):
        causal_excursion(**({"outcome": Y, "sent": SENT, "probability": HALF, "user": USER} | change))
