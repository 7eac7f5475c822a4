import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation import (
    Shrinkage,
    Thresholds,
    diagnose,
    difference,
    dr,
    effective_sample_size,
    ips,
    judge,
    on_policy,
    overlap,
    snips,
    support,
    weight_tail,
)
from homing.evaluation.diagnostics.overlap import overlap_of_totals
from homing.evaluation.diagnostics.tail import pareto_shape, pareto_threshold, tail_size
from homing.schema import InputError
from homing.schema.config import Evaluation


def test_effective_size_by_hand():
    assert effective_sample_size([1, 1, 1, 1]) == 4
    assert effective_sample_size([3, 1]) == pytest.approx(16 / 10)
    assert effective_sample_size([0, 0, 5]) == 1
    assert effective_sample_size([0, 0]) == 0


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_effective_size_is_between_one_and_all(weight):
    assert 1 - 1e-9 <= effective_sample_size(weight) <= len(weight) + 1e-9


def test_mean_weight_by_hand():
    # users 0: 2 + 1, 1: 0; mean 1; user sums less count: 3 - 2 = 1, 0 - 1 = -1; se = sqrt(2 * 2) / 3
    found = overlap([2.0, 1.0, 0.0], [0, 0, 1])
    assert found.mean_weight == 1
    assert found.mean_weight_error == pytest.approx(2 / 3)
    assert math.isnan(overlap([1.0, 2.0], [4, 4]).mean_weight_error)


def test_tail_by_hand():
    # weights 1 .. 100: half at or below 50, the largest 1 % is one decision with 100 / 5050
    found = weight_tail(np.random.default_rng(0).permutation(np.arange(1.0, 101)))
    assert found.quantiles == {0.5: 50, 0.9: 90, 0.99: 99, 0.999: 100, 1.0: 100}
    assert found.max_share == found.top_share == pytest.approx(100 / 5050)
    assert found.threshold == pytest.approx(0.5)
    assert not found.heavy


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_shape_of_a_known_power_tail(shape):
    # the survival function of u^-k is a power -1/k exactly, so its tail is generalised Pareto of shape k
    weight = np.random.default_rng(1).random(400_000) ** -shape
    assert weight_tail(weight).shape == pytest.approx(shape, abs=0.1)


def test_bounded_weights_have_a_negative_shape():
    assert weight_tail(np.random.default_rng(1).random(100_000)).shape < -0.5


def test_shape_does_not_depend_on_the_unit():
    excess = np.sort(np.random.default_rng(2).pareto(2, 200))
    assert pareto_shape(excess * 1e6) == pytest.approx(pareto_shape(excess))


@pytest.mark.parametrize("weight", [np.ones(1000), np.ones(3), np.array([2.0])])
def test_equal_or_few_weights_have_no_shape(weight):
    found = weight_tail(weight)
    assert math.isnan(found.shape)
    assert not found.heavy


def test_ties_at_the_threshold_do_not_break_the_fit():
    weight = np.concatenate([np.ones(1000), [2.0, 3.0]])
    assert math.isfinite(weight_tail(weight).shape)


def test_threshold_grows_with_the_log():
    assert pareto_threshold(100) == pytest.approx(0.5)
    assert pareto_threshold(10**6) == 0.7
    assert pareto_threshold(1) == -math.inf


def test_support_by_hand():
    # row 0: the log cannot choose its second candidate, on which the target puts 0.25; row 1: none
    # groups: 5 was chosen, 6 and 9 never; target on 6: 0.25 + 0.5, on 9: 0.1
    found = support(
        [0.75, 0.25, 0.4, 0.5, 0.1],
        [0, 2, 5],
        logging_probability=[1.0, 0.0, 0.2, 0.3, 0.5],
        group=[5, 6, 5, 6, 9],
        chosen_group=[5, 5],
    )
    assert found.impossible == pytest.approx(0.125)
    assert found.unseen == pytest.approx((0.75 + 0.1) / 2)
    assert list(found.unseen_groups) == [6, 9]
    assert found.unseen_groups[6] == pytest.approx(0.375)


def test_support_that_is_not_known_is_not_zero():
    found = support([1.0], [0, 1])
    assert math.isnan(found.impossible)
    assert math.isnan(found.unseen)
    with pytest.raises(InputError, match="go together"):
        support([1.0], [0, 1], group=[1])


def test_mean_weight_estimates_the_supported_mass():
    # the log never takes the second candidate, on which the target puts 0.4: weights are 0.6 in every row
    rng = np.random.default_rng(4)
    weight = np.where(rng.random(5000) < 0.5, 1.2, 0.0)  # two supported candidates of 0.5; target 0.6 and 0
    found = diagnose(weight)
    assert found.overlap.mean_weight == pytest.approx(0.6, abs=0.05)
    assert any("the weights average 0.6" in note for note in found.warnings)


def test_good_overlap_is_trusted():
    rng = np.random.default_rng(6)
    weight = np.where(rng.random(20_000) < 0.5, 0.8, 1.2)
    found = diagnose(weight, rng.integers(0, 5000, 20_000))
    assert found.trusted
    assert found.warnings == ()


def test_rounded_weights_are_not_accused():
    weight = (np.ones(3000, np.float32) / np.float32(3)).astype(np.float64) * 3
    assert weight[0] != 1
    assert diagnose(weight).trusted


def test_correct_logs_are_rarely_accused():
    rng = np.random.default_rng(7)
    accused = 0
    for _ in range(300):
        logged = rng.dirichlet(np.ones(5), 2000) * 0.9 + 0.02
        action = (rng.random((2000, 1)) > logged.cumsum(axis=1)).sum(axis=1)
        target = rng.dirichlet(np.ones(5), 2000)
        rows = np.arange(2000)
        accused += any("average" in n for n in diagnose(target[rows, action] / logged[rows, action]).warnings)
    assert accused <= 3


def test_each_reason_is_a_sentence():
    heavy = np.random.default_rng(8).random(100_000) ** -1.2
    notes = diagnose(heavy, support=support([0.9, 0.1], [0, 2], logging_probability=[1, 0])).warnings
    assert any(note.startswith("heavy tail") for note in notes)
    assert "10.0% of the target's probability is on what the log could not do" in notes
    unseen = support([0.9, 0.1], [0, 2], group=[0, 1], chosen_group=[0])
    assert diagnose(np.ones(1000), support=unseen).warnings == (
        "10.0% of the target's probability is on what the log never did",
    )
    assert diagnose(np.zeros(9)).tail is None
    assert not diagnose(np.zeros(9)).trusted


def test_share_matters_where_the_size_suffices():
    weight = np.zeros(100_000)
    weight[:1000] = 100.0
    notes = diagnose(weight).warnings
    assert "1.00% of them" in notes[0]
    assert diagnose(weight, thresholds=Thresholds(200, 0.005)).trusted


def test_thresholds_come_from_the_configuration():
    assert Thresholds.of(Evaluation(min_effective_size=5, min_effective_share=0.5)) == Thresholds(5, 0.5)
    assert Thresholds() == Thresholds.of(Evaluation())


def test_a_tail_of_nothing_is_an_error():
    with pytest.raises(InputError, match="no overlap"):
        weight_tail([0.0, 0.0])


def test_a_log_that_two_decisions_speak_for_is_refused_in_plain_words():
    weight = np.full(50_000, 0.001)
    weight[[7, 90]] = 20_000.0
    notes = diagnose(weight).warnings
    assert notes[0] == (
        "thin overlap: 50,000 decisions count for 2.0 (at least 200 are needed; the largest weight is "
        "20,000.0); do not trust it"
    )
    assert not diagnose(weight).trusted


def test_a_heavy_tail_turns_every_estimate_that_weighs_and_a_light_one_none():
    rng = np.random.default_rng(11)
    reward, user = rng.random(50_000), np.arange(50_000)
    rows, ones = np.arange(50_001), np.ones(50_000)
    for shape, heavy in ((0.3, False), (0.95, True)):
        weight = rng.random(50_000) ** -shape * (1 - shape)  # of mean 1
        assert overlap(weight).heavy_tail == heavy
        for found in (
            ips(reward, weight),
            snips(reward, weight),
            dr(reward, weight, ones, reward, reward, rows, user),
        ):
            assert any(note.startswith("heavy tail") for note in found.warnings) == heavy
            verdict = judge(difference(found, on_policy(reward, found.clusters)), found.warnings, "up")
            assert (verdict.judgement == "do_not_trust") == heavy
        # weights that are cut have no tail, which costs bias and not trust
        cut = ips(reward, weight, shrinkage=Shrinkage("clip", 3.0))
        assert not any("heavy tail" in note for note in cut.warnings)


def test_the_tail_needs_the_largest_weights_only():
    weight = np.random.default_rng(12).pareto(1.5, 5000)
    whole = overlap(weight)
    assert whole.tail_shape == weight_tail(weight).shape
    top = np.sort(weight)[-(tail_size(5000) + 1) :]
    part = overlap_of_totals(weight, np.ones(5000), float(weight @ weight), top)
    assert part == whole
