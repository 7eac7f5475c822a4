import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from homing.experiments import (
    Check,
    Criterion,
    Rule,
    decide,
    from_sums,
    group_sequential,
    mean,
    proportion,
    ships,
    simulate_rule,
    verdicts,
)
from homing.schema import InputError

NAMES = ["conversions", "minutes", "opt_outs", "crashes"]
RULE = Rule(
    (
        Criterion(mean("conversions"), "success"),
        Criterion(mean("minutes"), "success"),
        Criterion(mean("opt_outs"), "guardrail", margin=0.05, better="lower"),
        Criterion(mean("crashes"), "deterioration", better="lower"),
    ),
    distribution="normal",
)


def moments(*effects, n=10_000):
    """Control levels of 1 with a standard error of 0.01 of each difference; no noise in what was found."""
    level = np.array([[1.0] * 4, 1 + np.array(effects)])
    squares = n * level[:, :, None] * level[:, None, :] + (n - 1) * 0.5 * np.eye(4)
    return from_sums(["control", "new"], NAMES, [n, n], n * level, squares)


def decided(*effects, **options):
    return decide(moments(*effects), RULE_ABSOLUTE, "new", **options)


RULE_ABSOLUTE = Rule(RULE.criteria, scale="absolute", distribution="normal")


def test_ships():
    # limits in standard errors: success 1.960 of alpha .05 / 2; guardrail 1.645; worse 2.807 of .01 / 4
    found = decided(0.021, 0.0, 0.02, 0.0)
    assert found.ship
    assert found.sentence == (
        "Ship new: conversions is better (+0.021, at least +0.0014); 1 of 1 guardrails are non-inferior; "
        "nothing deteriorates."
    )
    assert found.outcomes[0].p_value == pytest.approx(2 * ndtr(-2.1))
    assert [o.achieved for o in found.outcomes] == [True, False, True, False]


@pytest.mark.parametrize(
    ("effects", "reason"),
    [
        ((0.019, 0.019, 0.0, 0.0), "no success metric is significantly better (conversions, minutes)"),
        (
            (0.03, 0.0, 0.035, 0.0),
            "is worse (+0.035, p = 0.00093); opt_outs may be worse than its margin",
        ),
        ((0.03, 0.0, 0.025, 0.0), None),
        ((0.03, -0.029, 0.0, 0.0), "minutes is worse (-0.029, p = 0.0075)"),
        ((0.03, 0.0, 0.0, 0.029), "crashes is worse"),
        ((0.03, -0.027, 0.0, 0.027), None),
    ],
)
def test_does_not_ship(effects, reason):
    found = decided(*effects)
    assert found.ship == (reason is None)
    assert reason is None or reason in found.sentence


def test_quality_comes_first():
    bad = Check("sample ratio", 1e-9, 0.001, "new 60 of 50")
    found = decided(0.05, 0.0, 0.0, 0.0, checks=[Check("before", 0.5, 0.001, ""), bad])
    assert not found.ship
    assert found.reasons[0] == "the check 'sample ratio' fails (new 60 of 50)"
    assert not decided(0.05, 0.0, 0.0, 0.0, checks=[Check("before", np.nan, 0.001, "")]).ship


def test_early_looks_need_more():
    def nominal(alpha):
        return float(ndtr(-group_sequential([0.5, 1.0], alpha, alternative="greater").critical[0]))

    assert decided(0.025, 0.0, 0.0, 0.0).ship
    assert not decided(0.025, 0.0, 0.0, 0.0, nominal=nominal).ship
    assert decided(0.035, 0.0, -0.02, 0.0, nominal=nominal).ship
    # 2.96 and more standard errors in place of 1.96: the bound that is told is that of the look
    early = decided(0.035, 0.0, -0.02, 0.0, nominal=nominal).outcomes[0].difference
    assert early.low == pytest.approx(0.035 - 0.01 * 2.963, abs=1e-4)
    with pytest.raises(InputError, match="at early looks"):
        decide(moments(0, 0, 0, 0), Rule(RULE.criteria, correction="holm"), "new", nominal=nominal)


def test_beta():
    assert RULE.beta_per_test == pytest.approx((0.2 - 0.01 - 0.001) / 2)
    with pytest.raises(InputError, match="lost to false alarms"):
        Rule(RULE.criteria, beta=0.01)


def rates(effects, draws=40_000, correction="bonferroni", margin=5.0):
    """Share of simulated experiments that ship, in units of standard errors."""
    rng = np.random.default_rng(0)
    rule = Rule(RULE.criteria, correction=correction)
    sign = np.array([c.sign for c in rule.criteria])
    z = sign * (np.array(effects) + rng.normal(size=(draws, 4)))
    good = ndtr(-(z + np.array([0, 0, margin, 0])))
    return ships(rule, *verdicts(rule, good, ndtr(z))).mean()


@pytest.mark.parametrize("correction", ["bonferroni", "holm", "hommel", "benjamini_hochberg"])
def test_type_one_error(correction):
    """No success at all, or a guardrail at its margin, ships in at most alpha of experiments."""
    assert rates([0, 0, 0, 0], correction=correction) < 0.05 + 4 * 0.0011
    assert rates([9, 9, 5, 0], correction=correction) < 0.05


def test_type_two_error():
    """Planned by beta per test, one success metric and all guardrails at their effects ship."""
    beta = RULE.beta_per_test
    success = ndtri(1 - 0.05 / 2) + ndtri(1 - beta)
    margin = ndtri(1 - 0.05) + ndtri(1 - beta)
    assert 1 - RULE.beta < rates([success, 0, 0, 0], margin=margin) < 1 - RULE.beta + 0.03


@pytest.mark.parametrize(
    ("criteria", "rule"),
    [
        ((Criterion(mean("a"), "guardrail", margin=0.1),), "no success metric"),
        ((Criterion(mean("a"), "success"), Criterion(mean("a"), "deterioration")), "each be named once"),
        ((Criterion(mean("a"), "success", margin=0.1),), "must be > 0 for a guardrail"),
        ((Criterion(mean("a"), "success"), Criterion(mean("b"), "guardrail")), "must be > 0 for a guardrail"),
        ((Criterion(mean("a"), "primary"),), "role == 'primary'"),
    ],
)
def test_bad_rules(criteria, rule):
    with pytest.raises(InputError, match=rule):
        Rule(criteria)


def test_a_rule_of_proportions_simulates():
    past = from_sums(["past"], ["bought"], [1000], [[100.0]], [[[100.0]]])
    rule = Rule((Criterion(proportion("bought"), "success"),))
    achieved, worse = simulate_rule(past, rule, {"bought": 0.2}, 20_000)
    assert 0.5 < achieved.mean() < 1
    assert not worse.any()


def test_a_stepwise_test_tells_its_p_value():
    rule = Rule(RULE.criteria, correction="holm", scale="absolute", distribution="normal")
    found = decide(moments(0.03, 0.018, 0.0, 0.0), rule, "new")
    assert (
        "conversions is better (+0.03, at least +0.0104); minutes is better (+0.018, p = 0.036)"
        in found.sentence
    )


def test_what_is_not_known():
    n = np.full(2, 100.0)
    squares = np.zeros((2, 2, 2))
    squares[:, 0, 0] = [200, 400]  # conversions 1 and 1.8; crashes never
    known = from_sums(["control", "new"], ["conversions", "crashes"], n, [[100, 0], [180, 0]], squares)
    watched = Rule((RULE.criteria[0], RULE.criteria[3]), scale="absolute")
    found = decide(known, watched, "new")
    assert found.ship
    assert found.reasons[1:] == ("of crashes nothing is known", "nothing else deteriorates")
    guarded = Rule(
        (RULE.criteria[0], Criterion(mean("crashes"), "guardrail", 0.1, "lower")), scale="absolute"
    )
    assert (
        "crashes may be worse than its margin (+0, of which nothing is known)"
        in decide(known, guarded, "new").sentence
    )
    hoped = Rule((Criterion(mean("crashes"), "success", better="lower"),), scale="absolute")
    assert decide(known, hoped, "new").reasons == (
        "no success metric is significantly better (crashes, of which nothing is known)",
    )
