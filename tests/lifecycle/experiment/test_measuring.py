"""Moments of metrics, checked against arithmetic on the users themselves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from homing.experiments import difference, from_arrays, levels
from homing.lifecycle.experiment.looking import Look
from homing.lifecycle.experiment.measuring import Layout
from homing.lifecycle.experiment.rule import alpha_of, in_words, rule_of
from homing.schema.experiment import Design, parse_design
from homing.schema.times import DAY
from homing.store import Cohort

TOML = """\
days = 28
pre_period = "14d"
[arms.control]
share = 0.5
[arms.new]
share = 0.5
[metrics.minutes]
role = "success"
event = "session"
aggregate = "sum"
effect = 0.05
[metrics.back]
role = "guardrail"
event = "session"
aggregate = "any"
after = "7d"
window = "7d"
margin = 0.1
[metrics.rate]
role = "monitor"
event = "clicked"
per = "sent"
[metrics.early]
role = "monitor"
event = "clicked"
per = "sent"
window = "10d"
"""
USERS = 4_000
#: Numbers, entries, sign-ups and arms.
Users = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.str_]]
UNTIL = 20 * DAY


@pytest.fixture(scope="module")
def design() -> Design:
    return parse_design(TOML, "x")


@pytest.fixture(scope="module")
def layout(design: Design) -> Layout:
    return Layout(design, Cohort(("control", "new"), 0, UNTIL, "x"))


@pytest.fixture(scope="module")
def users(
    layout: Layout,
) -> Users:
    """Numbers, entries, sign-ups and arms of users of whom some enter late and some are new."""
    rng = np.random.default_rng(7)
    eager = rng.gamma(2, 1, (USERS, 1))
    values = rng.poisson(eager, (USERS, len(layout.numbers))).astype(np.float64)
    names = [number.name for number in layout.numbers]
    values[:, names.index("back")] = np.minimum(values[:, names.index("back")], 1)
    values[:, names.index("rate per")] += 1
    entered = rng.integers(0, 15, USERS) * DAY
    signed_up = entered - rng.integers(0, 60, USERS) * DAY
    return values, entered, signed_up, rng.choice(["control", "new"], USERS)


def column(layout: Layout, values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    return values[:, [number.name for number in layout.numbers].index(name)]


def test_a_window_counts_who_has_been_there_long_enough(layout: Layout, users: Users) -> None:
    values, entered, signed_up, arm = users
    moments = from_arrays(arm, layout.columns(values, entered, signed_up))
    for name, need in (("back", 14), ("early", 10)):
        old = (UNTIL - entered >= need * DAY) & (arm == "new")
        assert 0 < old.sum() < (arm == "new").sum()
        top = column(layout, values, name)[old].sum()
        bottom = column(layout, values, f"{name} per")[old].sum() if name == "early" else old.sum()
        found = levels(moments, layout.metrics[name])
        assert found.value[1] == pytest.approx(top / bottom)
    everybody = levels(moments, layout.metrics["minutes"])
    assert everybody.value[1] == pytest.approx(column(layout, values, "minutes")[arm == "new"].mean())


def test_adjusting_takes_noise_and_not_the_effect(layout: Layout, users: Users) -> None:
    values, entered, signed_up, arm = users
    moments = from_arrays(arm, layout.columns(values, entered, signed_up))
    adjusted, notes = layout.adjusted(moments)
    assert notes == ()
    for name in layout.metrics:
        plain, less = (difference(m, layout.metrics[name], "new") for m in (moments, adjusted))
        assert less.std_error < 1.001 * plain.std_error, name
        assert abs(less.value - plain.value) < 3 * plain.std_error
    gain = [float(difference(m, layout.metrics["minutes"], "new").std_error) for m in (adjusted, moments)]
    assert gain[0] < 0.95 * gain[1]


def test_an_adjusted_window_is_the_regression_among_those_who_count(layout: Layout, users: Users) -> None:
    """As least squares with the arm and what was before, over the users who are old enough."""
    values, entered, signed_up, arm = users
    adjusted, _ = layout.adjusted(from_arrays(arm, layout.columns(values, entered, signed_up)))
    found = difference(adjusted, layout.metrics["back"], "new")
    old = UNTIL - entered >= 14 * DAY
    new = (signed_up > entered - 14 * DAY).astype(float)
    x = np.column_stack([np.ones(USERS), arm == "new", column(layout, values, "back before"), new])[old]
    slope = np.linalg.lstsq(x, column(layout, values, "back")[old], rcond=None)[0]
    assert float(found.value) == pytest.approx(slope[1], abs=0.1 * float(found.std_error))


def test_contrasts_compare_weeks_and_weekends(layout: Layout, users: Users) -> None:
    values, entered, signed_up, _ = users
    columns = layout.columns(values, entered, signed_up)
    assert [contrast.name for contrast in layout.contrasts] == ["minutes later", "minutes weekend"]
    whole = UNTIL - entered >= 14 * DAY
    later = column(layout, values, "minutes later") - column(layout, values, "minutes later base")
    assert np.allclose(columns["minutes later"], later / 7 * whole)
    weekend = (
        column(layout, values, "minutes weekend") / 2 - column(layout, values, "minutes weekend base") / 5
    )
    assert np.allclose(columns["minutes weekend"], weekend / 2 * whole)
    reads = {n.name: n for n in layout.numbers}
    assert (reads["minutes later"].since, reads["minutes later"].until) == (7 * DAY, 14 * DAY)


def test_the_rule_is_what_the_design_says(design: Design, layout: Layout) -> None:
    rule = rule_of(design, layout.metrics)
    assert [(c.metric.name, c.role, c.margin) for c in rule.criteria] == [
        ("minutes", "success", 0.0), ("back", "guardrail", 0.1), ("rate", "deterioration", 0.0),
        ("early", "deterioration", 0.0),
    ]  # fmt: skip
    assert alpha_of(design, "minutes") == alpha_of(design, "back") == 0.025
    assert alpha_of(design, "rate") == 0.0125
    assert in_words(design).startswith(
        "Ship an arm if at least one of minutes is better, no guardrail may be worse by more than its margin "
        "(back by 10 % of the control), nothing deteriorates and the quality checks pass"
    )
    third = design.arms["new"].model_copy(update={"share": 0.25})
    more = design.model_copy(update={"arms": {**design.arms, "new": third, "third": third}})
    assert rule_of(more, layout.metrics).alpha == 0.0125


@pytest.mark.parametrize("looks", ["always_valid", "group_sequential", "none"])
def test_early_looks_spend_less_than_all(design: Design, looks: str) -> None:
    made = design.model_copy(update={"looks": looks})
    early, late = Look(made, (0.25,)), Look(made, (0.25, 0.5, 1.0))
    assert not early.final and late.final
    assert early.nominal(0.025) < late.nominal(0.025) <= 0.025
    if looks == "group_sequential":  # O'Brien-Fleming for looks at 1/4, 1/2 and 1: 4.33 and 1.97
        assert early.nominal(0.025) == pytest.approx(7.4e-6, rel=0.02)
        assert late.nominal(0.025) == pytest.approx(0.0244, abs=2e-4)
    if looks == "none":
        assert late.nominal(0.025) == 0.025
