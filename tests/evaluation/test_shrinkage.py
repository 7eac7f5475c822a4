import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from homing.evaluation import Shrinkage, dm, dr, ips, shrink, shrinkage_grid, sndr, snips
from homing.schema import InputError

from .solvable import CHANCE, GUESS, LOGGING, POLICY, TRUTH, expectation, mean

WEIGHT = np.array([0.0, 0.5, 2.0, 4.0])
REWARD = np.array([1.0, 1.0, 3.0, 2.0])
#: Kinds with the parameter at which they leave weights alone, and one at which they do not.
KINDS = [("clip", math.inf, 1.0), ("switch", math.inf, 1.0), ("optimistic", math.inf, 2.0)]
KINDS += [("subgaussian", 0.0, 0.3)]


def test_shrunk_weights_by_hand():
    assert shrink(WEIGHT, Shrinkage("clip", 2.0)).tolist() == [0.0, 0.5, 2.0, 2.0]
    assert shrink(WEIGHT, Shrinkage("switch", 2.0)).tolist() == [0.0, 0.5, 2.0, 0.0]
    # 4 w / (w^2 + 4): 2 / 4.25, 8 / 8, 16 / 20
    assert shrink(WEIGHT, Shrinkage("optimistic", 4.0)) == pytest.approx([0.0, 2 / 4.25, 1.0, 0.8])
    # w / (0.5 + 0.5 w): 0.5 / 0.75, 2 / 1.5, 4 / 2.5
    assert shrink(WEIGHT, Shrinkage("subgaussian", 0.5)) == pytest.approx([0.0, 2 / 3, 4 / 3, 1.6])


def test_the_ends_of_the_parameters():
    for kind, nothing, _ in KINDS:
        assert shrink(WEIGHT, Shrinkage(kind, nothing)).tolist() == WEIGHT.tolist()
    for kind in ("clip", "switch", "optimistic"):
        assert shrink(WEIGHT, Shrinkage(kind, 0.0)).tolist() == [0.0] * 4
    assert shrink(WEIGHT, Shrinkage("subgaussian", 1.0)).tolist() == [0.0, 1.0, 1.0, 1.0]


def test_clipped_ips_by_hand():
    # weights 0, .5, 2, 2: terms 0, .5, 6, 4; mean 10.5 / 4; effective (4.5)^2 / 8.25
    found = ips(REWARD, WEIGHT, shrinkage=Shrinkage("clip", 2.0))
    assert found.value == pytest.approx(10.5 / 4)
    assert found.std_error == pytest.approx(np.std([0, 0.5, 6, 4], ddof=1) / 2)
    assert found.estimator == "ips (clip 2)"
    assert (found.effective_size, found.max_weight) == (pytest.approx(4.5**2 / 8.25), 2.0)
    # 4.5 of 6.5 are kept
    assert any("takes 31% of the weight" in warning for warning in found.warnings)


def test_switched_snips_divides_by_the_weights_that_it_uses():
    # 0.5 * 1 + 2 * 3 over 0.5 + 2
    assert snips(REWARD, WEIGHT, shrinkage=Shrinkage("switch", 2.0)).value == pytest.approx(6.5 / 2.5)


def shrunk(weight, kind, parameter):
    """The definitions once more, for one weight."""
    return {
        "clip": lambda: min(weight, parameter),
        "switch": lambda: weight if weight <= parameter else 0.0,
        "optimistic": lambda: parameter * weight / (weight**2 + parameter),
        "subgaussian": lambda: weight / (1 - parameter + parameter * weight),
    }[kind]()


@pytest.mark.parametrize(("kind", "parameter"), [(kind, parameter) for kind, _, parameter in KINDS])
def test_bias_over_all_logs_is_that_of_the_missing_weight(kind, parameter):
    def missing(s, a):
        """The share of the target's probability that shrinkage takes."""
        weight = POLICY[s][a] / LOGGING[s][a]
        return 1 - shrunk(weight, kind, parameter) / weight

    shrinkage = Shrinkage(kind, parameter)
    plain = expectation(lambda log: ips(log.reward, log.weight, shrinkage=shrinkage).ratios[0].value, 1)
    assert plain == pytest.approx(TRUTH - mean(lambda s, a: missing(s, a) * CHANCE[s][a]), abs=1e-12)
    robust = expectation(lambda log: dr(*log.doubly_robust, shrinkage=shrinkage).value, 2)
    lost = mean(lambda s, a: missing(s, a) * (CHANCE[s][a] - GUESS[s][a]))
    assert robust == pytest.approx(TRUTH - lost, abs=1e-12)
    assert abs(lost) > 0.01


positive = arrays(np.float64, st.integers(2, 20), elements=st.floats(0, 1e6))


@given(positive, st.sampled_from([kind for kind, _, _ in KINDS]), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_weights_shrink_towards_one_or_zero_and_keep_no_less_with_less_shrinkage(weight, kind, parameter):
    less, more = (parameter, 1.0) if kind == "subgaussian" else (1.0, parameter)
    mild, strong = (shrink(weight, Shrinkage(kind, c)) for c in (less, more))
    highest = np.maximum(weight, 1) if kind == "subgaussian" else weight
    tolerance = 1e-9 * (1 + weight)
    assert (mild >= 0).all() and (mild <= highest + tolerance).all()
    over_one = weight >= 1 if kind == "subgaussian" else weight >= 0
    assert (strong <= mild + tolerance)[over_one].all()


@given(positive.filter(lambda w: (w > 1e-3).any()), st.sampled_from([kind for kind, _, _ in KINDS]))
@settings(max_examples=50, deadline=None)
def test_a_grid_goes_from_least_to_most(weight, kind):
    grid = shrinkage_grid(weight, kind, 5)
    largest = np.array([max(weight.max(), 1.0)])  # sub-Gaussian shrinkage raises weights under 1
    kept = [shrink(largest, shrinkage)[0] for shrinkage in grid]
    assert len(grid) == 5
    assert all(a >= b - 1e-9 * a for a, b in itertools.pairwise(kept))
    if kind == "clip":
        assert kept[0] == weight.max()


def test_shrinking_everything_leaves_the_predictions():
    offsets, target, prediction = np.arange(0, 9, 2), np.full(8, 0.5), np.arange(8.0)
    arguments = (REWARD, WEIGHT, target, prediction, prediction[::2], offsets)
    nothing = Shrinkage("clip", 0.0)
    found = dr(*arguments, shrinkage=nothing)
    assert found.value == dm(target, offsets, prediction).value
    assert any("predictions' alone" in warning for warning in found.warnings)
    assert math.isnan(sndr(*arguments, shrinkage=nothing).value)
    unknown = ips(REWARD, WEIGHT, shrinkage=nothing)
    assert math.isnan(unknown.value)
    assert "takes 100% of the weight" in unknown.warnings[0]


def test_shrunk_weights_do_not_accuse_the_propensities():
    rng = np.random.default_rng(2)
    weight = rng.exponential(size=5000)
    found = ips(rng.random(5000), weight, shrinkage=Shrinkage("clip", 1.0))
    assert found.effective_size > 2500
    assert [note for note in found.warnings if "average" in note] == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Shrinkage("trim", 1.0), "kind == 'trim', must be one of clip, switch"),
        (lambda: Shrinkage("clip", -1.0), "parameter == -1.0 of clip shrinkage, must be from 0 to inf"),
        (lambda: Shrinkage("switch", math.nan), "parameter == nan"),
        (lambda: Shrinkage("subgaussian", 2.0), "must be from 0 to 1"),
        (lambda: shrink([-1.0], Shrinkage("clip", 1.0)), "weight has a minimum of -1"),
        (lambda: shrinkage_grid([0.0, 0.0], "clip"), "weight is 0 in every row"),
        (lambda: shrinkage_grid([1.0], "trim"), "kind == 'trim'"),
        (lambda: shrinkage_grid([1.0], "clip", 1), "size == 1, must be >= 2"),
    ],
)
def test_bad_input_names_the_rule(call, message):
    with pytest.raises(InputError, match=message):
        call()
