import math

import pytest

from homing.evaluation import Guardrail, Verdict, gate
from homing.schema import InputError

BETTER = Verdict("better", "the difference is +0.1 [+0.05, +0.15]")
UNSURE = Verdict("cannot_tell", "about 1,000 more decisions would tell a difference of +0.1", 1000)
WORSE = Verdict("worse", "the difference is -0.1 [-0.15, -0.05]")
DOUBTED = Verdict("do_not_trust", "thin overlap: 50,000 decisions count for 2.0")


def rail(value, low, high, direction="down"):
    return Guardrail("opted_out", value, low, high, 0.02, direction)


def test_what_is_better_and_keeps_its_guardrail_may_go():
    found = gate({"utility": BETTER}, "utility", [rail(0.01, 0.005, 0.015)])
    assert found.allowed
    assert found.reasons == (
        "The candidate is better on utility: the difference is +0.1 [+0.05, +0.15].",
        "opted_out of 0.01 keeps its guardrail of 0.02.",
    )


def test_what_cannot_be_told_may_go_for_a_test_is_there_to_find_out():
    found = gate({"utility": UNSURE, "visits": WORSE}, "utility")
    assert found.allowed
    assert found.reasons[0].startswith("The candidate may be better or worse on utility")
    assert found.reasons[1].startswith("It is worse on visits, which has no guardrail")


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (WORSE, "The candidate is worse on utility: the difference is -0.1 [-0.15, -0.05]."),
        (
            DOUBTED,
            "The log does not carry an estimate of utility: thin overlap: 50,000 decisions count for 2.0.",
        ),
    ],
)
def test_what_is_worse_or_not_known_may_not(verdict, sentence):
    found = gate({"utility": verdict}, "utility")
    assert not found.allowed
    assert found.reasons == (sentence,)


@pytest.mark.parametrize(
    ("guardrail", "sentence"),
    [
        (rail(0.03, 0.025, 0.035), "opted_out of 0.03 [0.025, 0.035] passes its guardrail of 0.02."),
        (
            rail(0.015, 0.005, 0.025),
            "opted_out may pass its guardrail of 0.02: the interval of 0.015 reaches to 0.025.",
        ),
        (rail(0.01, math.nan, math.nan), "Nothing is known about opted_out, which has a guardrail of 0.02."),
        (rail(0.01, 0.005, 0.015, "up"), "opted_out of 0.01 [0.005, 0.015] passes its guardrail of 0.02."),
        (
            rail(0.03, 0.015, 0.045, "up"),
            "opted_out may pass its guardrail of 0.02: the interval of 0.03 reaches to 0.015.",
        ),
    ],
)
def test_a_guardrail_must_hold_to_the_end_of_its_interval(guardrail, sentence):
    found = gate({"utility": BETTER}, "utility", [guardrail])
    assert not found.allowed
    assert found.reasons == (sentence,)


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [(0.01, 0.015, "kept"), (0.015, 0.02, "kept"), (0.015, 0.025, "at_risk"), (0.021, 0.03, "passed")],
)
def test_the_interval_alone_says_how_a_guardrail_is_kept(direction, low, high, inside):
    # a point estimate beyond the limit or within it changes nothing; up is the mirror image of down
    ends = (low, high) if direction == "down" else (0.04 - high, 0.04 - low)
    for value in ends:
        assert rail(value, *ends, direction).keeping == inside


def test_every_reason_is_told():
    found = gate({"utility": WORSE}, "utility", [rail(0.03, 0.02, 0.04)], ["propensities are wrong"])
    assert found.reasons[0] == "The log is not sound: propensities are wrong."
    assert len(found.reasons) == 3


def test_bad_input():
    with pytest.raises(InputError, match="primary == 'sales', must be one of utility"):
        gate({"utility": BETTER}, "sales")
