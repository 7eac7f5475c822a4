import dataclasses
import math

import numpy as np
import pytest
from small_world import SmallWorld

from homing.lifecycle.estimates import best_constant, meaning_of, objective_values, unit_of
from homing.lifecycle.verdict import verdict
from homing.report.facts import Estimate, Judgement, ObjectiveValues, PolicyValue, Values
from homing.schema import parse_config
from homing.schema.config import Objective


def policy(
    name: str,
    value: float,
    versus_logging: tuple[float, float] | None = None,
    versus_constant: tuple[float, float] | None = None,
    judgement: Judgement = "cannot_tell",
    reason: str = "",
) -> PolicyValue:
    def estimate(bounds: tuple[float, float] | None) -> Estimate | None:
        return None if bounds is None else Estimate((bounds[0] + bounds[1]) / 2, *bounds)

    return PolicyValue(
        name,
        Estimate(value, value - 0.1, value + 0.1),
        judgement,
        reason,
        estimate(versus_logging),
        estimate(versus_constant),
    )


def values(*policies: PolicyValue, direction: str = "up") -> Values:
    table = ObjectiveValues("utility", "number", policies, direction=direction)  # type: ignore[arg-type]
    return Values((table,), decisions=1000)


LOG = policy("logging", 2.0, judgement="reference")


def test_the_best_constant_is_the_best_in_the_objectives_direction() -> None:
    rows = (
        LOG,
        policy("hold", 1.0),
        policy("constant:a", 3.0),
        policy("learned", 9.0),
        policy("uniform", 0.5),
    )
    assert best_constant(values(*rows).objectives) == "constant:a"
    assert best_constant(values(*rows, direction="down").objectives) == "hold"
    assert best_constant(values(LOG, policy("learned", 9.0)).objectives) is None
    assert (
        best_constant(values(policy("hold", math.nan), policy("constant:a", 1.0)).objectives) == "constant:a"
    )
    doubted = policy("hold", 9.0, judgement="do_not_trust")
    assert best_constant(values(doubted, policy("constant:a", 1.0)).objectives) == "constant:a"


def test_a_win_over_the_log_and_the_best_constant_is_good() -> None:
    found = values(LOG, policy("learned", 3.0, (0.5, 1.5), (0.1, 0.3), "better"), policy("constant:a", 2.8))
    sentence, tone, basis = verdict(found, "constant:a")
    assert sentence == (
        "The learned policy is better than the log: +50.0% [+25.0, +75.0] utility. "
        "It beats the best constant policy, sending a to all."
    )
    assert tone == "good"
    assert "1,000 decisions that training never saw, with 95% intervals" in basis
    assert "2 in the log, 3 [2.9, 3.1] learned" in basis


def test_learning_that_does_not_beat_a_constant_is_said_plainly() -> None:
    learned = policy("learned", 3.0, (0.5, 1.5), (-0.1, 0.3), "better")
    sentence, tone, _ = verdict(values(LOG, learned, policy("constant:a", 2.9)), "constant:a")
    assert "It does not beat sending a to all (+5.0% [-5.0, +15.0])." in sentence
    assert tone == "neutral"


def test_learning_that_is_worse_than_holding_back_is_bad() -> None:
    learned = policy("learned", 2.1, (-0.5, 0.7), (-0.4, -0.2))
    found = values(LOG, learned, policy("greedy", 2.6, (0, 1), (0.1, 0.3)), policy("hold", 2.4))
    sentence, tone, _ = verdict(found, "hold")
    assert "cannot be told apart from the log" in sentence
    told = "It is worse than holding back from all (-15.0% [-20.0, -10.0]); without exploration it beats it."
    assert told in sentence
    assert tone == "bad"


def test_where_less_is_better_a_fall_is_a_win() -> None:
    learned = policy("learned", 1.0, (-1.5, -0.5), (-0.3, -0.1), "better")
    sentence, tone, _ = verdict(values(LOG, learned, policy("hold", 1.2), direction="down"), "hold")
    assert "It beats the best constant policy, holding back from all." in sentence
    assert tone == "good"
    risen = policy("learned", 1.0, (-1.5, -0.5), (0.1, 0.3), "better")
    sentence, tone, _ = verdict(values(LOG, risen, policy("hold", 0.8), direction="down"), "hold")
    assert "It is worse than holding back from all" in sentence
    assert tone == "bad"


def test_what_the_log_does_not_carry_is_no_win() -> None:
    learned = policy("learned", 9.0, (5, 9), (5, 9), "do_not_trust", "thin overlap: 12 of 1,000")
    sentence, tone, _ = verdict(values(LOG, learned, policy("hold", 1.0)), "hold")
    assert sentence == "The log does not carry an estimate of the learned policy: thin overlap: 12 of 1,000."
    assert tone == "bad"


def test_a_log_of_zero_has_no_percentages() -> None:
    empty = policy("logging", 0.0, judgement="reference")
    sentence, _, _ = verdict(values(empty, policy("learned", 1.0, (0.5, 1.5), None, "better")), None)
    assert "+1 [+0.5, +1.5] utility" in sentence


def test_what_was_not_evaluated_is_not_judged() -> None:
    assert verdict(values(LOG), None) == ("The learned policy was not evaluated.", "neutral", "")


@pytest.mark.parametrize(
    ("objective", "unit", "meaning"),
    [
        ({"window": "3d"}, "rate", "converted at least once, within 3d of the decision"),
        ({"aggregate": "count"}, "number", "converted events, within 7d of the decision"),
        ({"aggregate": "sum"}, "number", "total value of converted events, within 7d of the decision"),
        ({"aggregate": "active_days"}, "number", "days with converted, within 7d of the decision"),
        (
            {"scope": "decision"},
            "rate",
            "converted at least once caused by the decision, within 7d of the decision",
        ),
    ],
)
def test_objectives_in_words(objective: dict[str, str], unit: str, meaning: str) -> None:
    made = Objective.model_validate({"event": "converted", **objective})
    assert (unit_of(made), meaning_of(made)) == (unit, meaning)


def test_the_small_worlds_tables_fit_together(small_world: SmallWorld) -> None:
    found = small_world.evaluated.values
    assert [table.objective for table in found.objectives] == [
        "utility",
        "conversion",
        "engagement",
        "annoyance",
    ]
    weights = {"conversion": 1.0, "engagement": 0.002, "annoyance": -0.5}
    by_name = {t.objective: {p.policy: p for p in t.policies} for t in found.objectives}
    # outcomes of every objective are complete for the same decisions but the newest, so this is close
    for name in ("logging", "hold", "uniform"):
        worth = sum(w * by_name[o][name].value.value for o, w in weights.items())
        assert by_name["utility"][name].value.value == pytest.approx(worth, abs=0.02)
    assert by_name["utility"]["logging"].judgement == "reference"
    assert by_name["utility"]["hold"].versus_constant is None  # it is the constant
    assert [p.policy for p in found.objectives[0].policies if p.learned] == ["learned"]
    assert {e.name for e in by_name["utility"]["learned"].estimators} == {
        "IPS",
        "SNIPS",
        "DM",
        "DR",
        "DR (bootstrap)",
    }


def test_an_objective_of_the_only_weight_comes_first_and_is_the_utility(small_world: SmallWorld) -> None:
    """Two decisions of two users, worked by hand: DR is the mean of direct + weight * (outcome - fitted)."""
    config = parse_config(
        {
            "objectives": {
                "visits": {"event": "session", "weight": 0.0},
                "sales": {"event": "converted", "aggregate": "sum", "weight": 2.0},
            },
            "evaluation": {"bootstrap": 0},
        }
    )
    release = dataclasses.replace(small_world.trained.release, config=config, objectives=("visits", "sales"))
    rows = 2
    from homing.lifecycle.valuation import Valued

    valued = Valued(
        user=np.array([1, 2]),
        release=np.zeros(rows, np.int32),
        test=np.ones(rows, np.bool_),
        day=np.zeros(rows, "datetime64[D]"),
        message=np.array([0, -1], np.int32),
        channel=np.array([0, -1], np.int16),
        propensity=np.full(rows, 0.5),
        offered=np.ones((rows, 1), np.int32),
        outcome=np.array([[1, 10], [0, 0]], np.float32),
        expected=np.zeros((rows, 2), np.float32),
        fitted=np.array([[0.5, 6], [0.5, 2]], np.float32),
        weight=np.array([[2.0], [0.0]], np.float32),
        direct=np.array([[[0.5, 6]], [[0.5, 4]]], np.float32),
        send=np.ones((rows, 1), np.float32),
        people=np.zeros((rows, 0), np.float32),
        traits=np.zeros((rows, 0), np.int32),
        stage=np.zeros(rows, np.int8),
        later=np.full(rows, -1, np.int8),
        domains=np.zeros((rows, 0), np.bool_),
        lift=np.zeros((rows, 0, 2), np.float32),
    )
    tables = objective_values(config, release, ["constant:a"], valued)
    assert [table.objective for table in tables] == ["sales", "visits"]
    logging, constant = tables[0].policies
    assert logging.value.value == 5.0  # the mean of 10 and 0: in the objective's unit, not times its weight
    told = {e.name: e.estimate.value for e in constant.estimators}
    assert told["IPS"] == 10.0  # (2 * 10 + 0) / 2
    assert told["SNIPS"] == 10.0  # 20 / 2
    assert told["DM"] == 5.0  # (6 + 4) / 2
    assert told["DR"] == 9.0  # ((6 + 2 * 4) + 4) / 2
    assert constant.versus_logging is not None
    assert constant.versus_logging.value == pytest.approx(4.0)
    assert constant.effective_size == 1.0
    assert constant.judgement == "do_not_trust"

    both = dataclasses.replace(
        valued, **{name: np.repeat(getattr(valued, name), 2, 1) for name in ("weight", "direct", "send")}
    )
    _, constant, learned = objective_values(config, release, ["constant:a", "learned"], both)[0].policies
    assert constant.judgement == "do_not_trust"
    assert learned.versus_constant is None  # nothing is compared with what the log does not carry
