"""The rule by weights, worked by hand."""

import tomllib
from math import sqrt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homing.experiments import Check, from_sums, mean
from homing.lifecycle.experiment.looking import Look
from homing.lifecycle.experiment.weighing import (
    in_words,
    planned_worth,
    weighed_verdict,
    worth_at,
    worth_of,
)
from homing.schema import ConfigError
from homing.schema.config import parse_config
from homing.schema.experiment import Design, parse_design

TOML = """\
days = 14
scale = "absolute"
looks = "none"
alpha_worse = 0.025
worth = { good = 2.0, bad = 10.0 }
[arms.control]
share = 0.5
[arms.new]
share = 0.5
[metrics.good]
role = "success"
event = "clicked"
effect = 0.3
[metrics.bad]
role = "guardrail"
event = "opted_out"
direction = "down"
margin = 0.1
[metrics.sends]
role = "monitor"
event = "sent"
direction = "none"
"""
USERS = 101  # in each arm; 100 of them make a variance
Z = 1.959963984540054


def design(**more: Any) -> Design:
    return parse_design(TOML, "x").model_copy(update=more)


def measured(good: float, bad: float) -> Any:
    """Independent differences with variances 1 / 50 and 1 / 200: 2 s^2 / 101, s^2 = 1.01 and 0.2525."""
    scatter = np.diag([101.0, 25.25, 0.0])
    means = np.array([[1.0, 1.0, 0.0], [1.0 + good, 1.0 + bad, 0.0]])
    products = scatter + USERS * means[:, :, None] * means[:, None, :]
    moments = from_sums(["control", "new"], ["good", "bad", "sends"], [USERS, USERS], USERS * means, products)
    columns = {name: mean(name) for name in moments.columns}
    return SimpleNamespace(adjusted=moments, moments=moments, metrics=columns)


FINAL = Look(design(), (1.0,))


def test_the_sum_and_where_it_turns_by_hand() -> None:
    """2 x 0.5 - 10 x 0.05 = 0.5; variance 4 / 50 + 100 / 200 = 0.58."""
    found = worth_at(design(), measured(0.5, 0.05), FINAL, "new")
    assert found.worth.value == pytest.approx(0.5)
    half = Z * sqrt(0.58)
    assert (found.worth.low, found.worth.high) == pytest.approx((0.5 - half, 0.5 + half))
    assert found.answer == "cannot_tell"
    assert [(p.metric, p.weight, p.difference) for p in found.parts] == [
        ("good", 2.0, pytest.approx(0.5)), ("bad", -10.0, pytest.approx(0.05)),
    ]  # fmt: skip
    good, bad = found.curves
    # the lower end is 0 where (1 - 0.05 w)^2 = z^2 (0.08 + w^2 / 200), below w = 20
    (turn,) = bad.turns
    assert (1 - 0.05 * turn.weight) ** 2 == pytest.approx(Z**2 * (0.08 + turn.weight**2 / 200))
    assert 0 < turn.weight < 20
    assert (turn.below, turn.above) == ("better", "cannot_tell")
    assert good.weight == 2.0
    assert [(each.below, each.above) for each in good.turns] == [("cannot_tell", "better")]
    # points are sums under their weight
    last = bad.points[-1]
    assert last.worth.value == pytest.approx(1 - 0.05 * last.weight)
    assert last.weight >= 4 * bad.weight


def test_harm_has_its_own_alpha_and_arms_share_it() -> None:
    strict = design(alpha_worse=0.001)
    found = worth_at(strict, measured(-0.5, 0.2), FINAL, "new")
    assert found.worth.value - found.worth.low == pytest.approx(Z * sqrt(0.58))
    assert found.worth.high - found.worth.value == pytest.approx(3.090232306167813 * sqrt(0.58))


def test_a_metric_of_which_nothing_is_known() -> None:
    empty = measured(0.5, 0.0)
    empty.adjusted = from_sums(
        ["control", "new"], ["good", "bad", "sends"], [1, 1], np.ones((2, 3)), np.ones((2, 3, 3))
    )
    found = worth_at(design(), empty, FINAL, "new")
    assert found.answer == "unknown"
    verdict = weighed_verdict(found, (), FINAL, 0, over=False)
    assert (verdict.verdict, "is not known" in verdict.sentence) == ("do_not_ship", True)


@pytest.mark.parametrize(
    ("good", "share", "over", "passed", "want"),
    [
        (3.0, 1.0, False, True, "ship"),
        (3.0, 0.5, False, True, "go_on"),  # looks = none: the rule is read at the end
        (0.5, 1.0, False, True, "do_not_ship"),
        (-3.0, 0.5, False, True, "stop"),
        (-3.0, 0.5, True, True, "stop"),
        (3.0, 1.0, False, False, "cannot_be_read"),
    ],
)
def test_verdicts(good: float, share: float, over: bool, passed: bool, want: str) -> None:
    look = Look(design(), (share,))
    found = worth_at(design(), measured(good, 0.05), look, "new")
    check = Check("c", 1.0 if passed else 0.0, 0.01, "seen")
    verdict = weighed_verdict(found, (check,), look, 0, over)
    assert verdict.verdict == want
    if want == "ship":
        assert verdict.sentence.startswith("Ship new: what it changes is worth +5.5 [")
    if want == "stop":
        assert verdict.sentence.startswith("Do not ship new:" if over else "Stop new:")


def test_worth_is_the_designs_or_that_of_the_same_objective() -> None:
    config = parse_config(
        tomllib.loads("""
[channels.push]
[objectives.clicks]
event = "clicked"
aggregate = "count"
weight = 3.0
[objectives.leaving]
event = "opted_out"
aggregate = "any"
direction = "down"
weight = 9.0
""")
    )
    assert worth_of(config, design()) == {"good": 2.0, "bad": 10.0}
    # `bad` counts opt-outs, the objective whether there was one
    assert worth_of(config, design(worth={})) == {"good": 3.0}
    assert in_words(design()).startswith(
        "Ship an arm if the sum of its differences, each times its worth, is over 0 per user "
        "(good +2, bad -10)"
    )


def test_the_power_that_is_planned() -> None:
    past = measured(0.0, 0.0)
    past.adjusted = from_sums(
        ["past"], ["good", "bad", "sends"], [USERS], [[101.0, 101.0, 0.0]],
        [[[202.0, 101.0, 0.0], [101.0, 126.25, 0.0], [0.0, 0.0, 0.0]]],
    )  # fmt: skip
    found = planned_worth(design(), past, 404, 0.5)
    assert found is not None
    # effects 2 x 0.3 + 0; variance 4 (4 x 1.01 + 100 x 0.2525) / 404
    assert found.expected == pytest.approx(0.6)
    assert found.std_error == pytest.approx(sqrt(4 * (4 * 1.01 + 25.25) / 404))
    assert found.by_weight["good"][2] == found.by_weight["bad"][2] == pytest.approx(found.power)
    assert found.by_weight["bad"][0] > found.power > found.by_weight["bad"][-1]
    assert not found.decides
    assert planned_worth(design(worth={}), past, 404, 0.5) is None


@pytest.mark.parametrize(
    ("worth", "error"),
    [
        ("{ god = 1.0 }", "did you mean 'good'"),
        ("{ good = -1.0 }", "must be >= 0"),
        ("{ sends = 1.0 }", "needs a direction"),
        ("{ good = 0.0 }", "nothing over 0"),
        ("{ good = nan }", "finite number"),
    ],
)
def test_worth_that_makes_no_sense(worth: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        parse_design(TOML.replace("{ good = 2.0, bad = 10.0 }", worth), "x")
