import tomllib

import numpy as np
import pytest

from homing.lifecycle.effects import whole_horizon
from homing.lifecycle.horizons import horizons, over_horizons, responding
from homing.lifecycle.splits import plan_split
from homing.schema import Config, ConfigError, parse_config
from homing.schema.config import Training
from homing.schema.times import DAY

TOML = """\
[objectives.sales]
event = "converted"
window = "3d"
horizon = "28d"

[objectives.days]
event = "session"
window = "7d"
aggregate = "active_days"
horizon = "14d"

[objectives.minutes]
event = "session"
window = "1d"
aggregate = "sum"
"""


def config(objective: str = "") -> Config:
    return parse_config(
        tomllib.loads(f'[objectives.x]\nevent = "session"\n{objective}' if objective else TOML)
    )


@pytest.mark.parametrize(
    ("objective", "problem"),
    [
        ('horizon = "36h"', "horizon == '36h', must be whole days, at least 2d"),
        ('window = "1d"\nhorizon = "1d"', "horizon == '1d', must be whole days, at least 2d"),
        ('window = "7d"\nhorizon = "6d"', "horizon == '6d', must be at least window == '7d'"),
        ('scope = "decision"\nhorizon = "14d"', "horizon needs scope == 'user', not 'decision'"),
        ('horizon = "a month"', "objectives.x.horizon"),
    ],
)
def test_a_horizon_that_cannot_be(objective: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(objective)
    assert any(problem in line for line in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("horizon", ["2d", "48h", "14d"])
def test_a_horizon_that_can_be(horizon: str) -> None:
    assert horizons(config(f'window = "2d"\nhorizon = "{horizon}"')) == {"x": 2 if horizon != "14d" else 14}


def test_horizons_are_days_of_those_that_have_one() -> None:
    assert horizons(config()) == {"sales": 28, "days": 14}
    assert horizons(Config()) == {}


def test_it_counts_over_the_horizon() -> None:
    found = over_horizons(config()).objectives
    told = {name: (o.window, o.aggregate, o.horizon) for name, o in found.items()}
    assert told == {
        "sales": ("28d", "count", None),  # not whether, but how often
        "days": ("14d", "active_days", None),
        "minutes": ("1d", "sum", None),
    }
    assert over_horizons(Config()) == Config()


def test_responding_adds_attention_and_keeps_windows() -> None:
    told = config()
    found = responding(told).objectives
    assert list(found) == ["sales", "days", "minutes", "message.opened", "message.clicked"]
    assert {name: found[name] for name in told.objectives} == told.objectives
    for name, event in (("message.opened", "opened"), ("message.clicked", "clicked")):
        added = found[name]
        assert (added.event, added.scope, added.window, added.weight) == (event, "decision", "7d", 0.0)
    assert responding(Config()) is not None
    assert list(responding(Config()).objectives) == list(Config().objectives)


@pytest.mark.parametrize(
    ("split", "long_term", "kind"), [("auto", False, "time"), ("auto", True, "user"), ("time", True, "time")]
)
def test_auto_splits_by_user_where_an_objective_has_a_horizon(split: str, long_term: bool, kind: str) -> None:
    epochs = np.arange(60, dtype=np.int64) * DAY
    training = Training.model_validate({"split": split})
    counts = np.full(60, 10, np.int64)
    assert plan_split(epochs, counts, 7 * DAY, training, long_term).kind == kind


def test_a_whole_horizon_adds_its_windows() -> None:
    coefficients = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]])
    found = whole_horizon(coefficients, np.zeros((4, 3), np.float32), (0, 1, 3, 7))
    np.testing.assert_allclose(found, [6.0, -0.5])


def test_days_that_no_row_knows_are_as_the_last_that_some_do() -> None:
    """Windows of 1, 2, 4 and 8 days; known to day 3, at 2 / 2 a day: 1 + 2 + (4 + 8) * 1."""
    outcome = np.full((5, 4), np.nan, np.float32)
    outcome[:, 0], outcome[:2, 1] = 0.0, 0.0
    coefficients = np.array([[1.0, 2.0, 0.0, 0.0]])
    np.testing.assert_allclose(whole_horizon(coefficients, outcome, (0, 1, 3, 7, 15)), [15.0])
