from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from homing.models import Head, ResponseModel, fit_response
from homing.models.fit import held_out, member_count
from homing.schema import FeatureSpec, InputError

from .logs import HEADS, QUICK, Log, make_log, means, ragged, with_features

pytestmark = pytest.mark.slow

BRIEF = QUICK.model_copy(update={"epochs": 2})  # where it does not matter how well is learned


def fit(log: Log, **changes: object) -> ResponseModel:
    split = len(log) * 3 // 4
    arguments: dict[str, object] = {
        "features": log.features,
        "outcomes": log.outcomes,
        "heads": HEADS,
        "train": np.arange(split),
        "calibration": np.arange(split, len(log)),
        "config": QUICK,
        "threads": 1,
    }
    return fit_response(**{**arguments, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def log() -> Log:
    return make_log(16_000)


@pytest.fixture(scope="module")
def model(log: Log) -> ResponseModel:
    return fit(log)


def test_recovers_known_means(model: ResponseModel) -> None:
    fresh = ragged(np.ones(4_000, np.int64), seed=9)
    error = np.abs(model.predict(fresh) - means(fresh))
    spread = means(fresh).std(axis=0)  # what the best constant misses by
    assert error[:, 0].mean() < 0.2 * spread[0]
    assert error[:, 1].mean() < 0.2 * spread[1]


def test_recovers_the_contrast_to_hold(model: ResponseModel) -> None:
    fresh = ragged(np.ones(4_000, np.int64), seed=9)
    held = dataclasses.replace(fresh, message=np.full(4_000, -1, np.int32))
    found = (model.predict(fresh) - model.predict(held))[:, 0]
    truth = (means(fresh) - means(held))[:, 0]
    assert np.corrcoef(found, truth)[0, 1] > 0.9
    assert found[fresh.is_hold] == pytest.approx(0, abs=0)


def test_what_hold_carries_as_candidate_features_does_not_matter(model: ResponseModel) -> None:
    fresh = ragged(np.ones(50, np.int64))
    held = dataclasses.replace(fresh, message=np.full(50, -1, np.int32))
    other = dataclasses.replace(
        held,
        candidate=np.full_like(held.candidate, np.nan),
        candidate_codes=np.full_like(held.candidate_codes, -1),
    )
    assert (model.predict(held) == model.predict(other)).all()


def test_the_same_seed_gives_the_same_model_and_another_seed_another(log: Log) -> None:
    first, again = fit(log, config=BRIEF), fit(log, config=BRIEF)
    other = fit(log, config=BRIEF.model_copy(update={"seed": 1}))
    probe = ragged(np.full(30, 3, np.int64))
    assert (first.predict(probe) == again.predict(probe)).all()
    assert (first.predict(probe) != other.predict(probe)).any()


def test_censored_outcomes_cost_nothing(log: Log) -> None:
    censored = log.outcomes.copy()
    hidden = np.random.default_rng(3).random(len(log)) < 0.3
    censored[hidden, 1] = np.nan
    # the censored rows are the ones whose minutes would mislead
    poisoned = np.where(hidden[:, None] & [False, True], np.float32(1e6), log.outcomes)
    fresh = ragged(np.ones(2_000, np.int64), seed=9)
    right = fit(log, outcomes=censored).predict(fresh)[:, 1]
    wrong = fit(log, outcomes=poisoned, config=BRIEF).predict(fresh)[:, 1]
    truth = means(fresh)[:, 1]
    assert np.abs(right - truth).mean() < 0.2 * truth.std()
    assert np.abs(wrong - truth).mean() > 10 * truth.std()


def test_a_heavy_tailed_mean_is_not_biased() -> None:
    log = make_log(20_000, seed=4)
    draw = np.random.default_rng(5)
    bought = draw.random(len(log)) < 0.2 * log.truth[:, 0]
    spend = np.where(bought, draw.lognormal(3, 1, len(log)), 0).astype(np.float32)
    model = fit(log, outcomes=spend[:, None], heads=(Head("spend", "mean"),))
    predicted = model.predict(log.features)[:, 0]
    assert predicted.min() > 0
    active = log.truth[:, 0] > np.median(log.truth[:, 0])
    for part in (active, ~active):
        assert predicted[part].mean() == pytest.approx(spend[part].mean(), rel=0.15)


def test_a_mean_that_can_be_negative() -> None:
    log = make_log(8_000)
    outcome = (log.features.user[:, 1] * 10 + np.random.default_rng(0).normal(size=len(log))).astype(
        np.float32
    )
    model = fit(log, outcomes=outcome[:, None], heads=(Head("balance", "mean"),))
    predicted = model.predict(log.features)[:, 0]
    assert np.abs(predicted - 10 * log.features.user[:, 1]).mean() < 1.5


def test_missing_and_infinite_inputs() -> None:
    log = make_log(8_000)
    user = log.features.user.copy()
    gone = np.random.default_rng(1).random(len(log)) < 0.5
    user[gone, 1] = np.nan
    model = fit(with_features(log, user=user), config=BRIEF)
    probe = ragged(np.ones(3, np.int64))
    odd = dataclasses.replace(probe, user=np.array([[0, np.nan], [0, np.inf], [0, -np.inf]], np.float32))
    same = dataclasses.replace(odd, user_codes=odd.user_codes[[0, 0, 0]], message=probe.message[[0, 0, 0]])
    same = dataclasses.replace(
        same, candidate=probe.candidate[[0, 0, 0]], candidate_codes=probe.candidate_codes[[0, 0, 0]]
    )
    predicted = model.predict(same)
    assert np.isfinite(predicted).all()
    assert predicted[1] == pytest.approx(predicted[0], rel=1e-6)
    assert predicted[2] == pytest.approx(predicted[0], rel=1e-6)


def test_progress_is_told_in_order(log: Log) -> None:
    told: list[float] = []
    fit(log, config=BRIEF, progress=lambda done, note: told.append(done) or note)  # type: ignore[func-returns-value]
    assert told == sorted(told)
    assert told[-1] <= 1


def test_summary(model: ResponseModel) -> None:
    summary = model.summary
    assert summary.validation_rows == pytest.approx(1_600, abs=64)
    assert 12_000 - summary.validation_rows <= summary.train_rows < 12_000
    assert summary.calibration_rows == 4_000
    assert len(summary.losses) <= QUICK.epochs
    assert summary.losses[summary.delta_epoch].validation < 0
    assert [0 <= epoch < QUICK.epochs for epoch in summary.baseline_epochs] == [True, True]
    assert [head.name for head in summary.calibration] == ["visit", "minutes"]
    assert all(head.loss_after <= head.loss_before for head in summary.calibration)


def test_a_log_with_messages_and_nothing_else_to_see() -> None:
    log = make_log(6_000)
    nothing = np.zeros((6_000, 0))
    features = dataclasses.replace(
        log.features,
        spec=FeatureSpec((), (), (), (), (), (("message", 4),)),
        user=nothing.astype(np.float32),
        user_codes=nothing.astype(np.int32),
        candidate=nothing.astype(np.float32),
        candidate_codes=nothing.astype(np.int32),
        messages=np.zeros((4, 0), np.float32),
    )
    visits = (log.features.message == 2).astype(np.float32)
    model = fit(
        Log(features, visits[:, None], log.truth),
        heads=HEADS[:1],
        config=QUICK.model_copy(update={"epochs": 8}),
    )
    predicted = model.predict(features)[:, 0]
    assert predicted[features.message == 2].min() > 0.9
    assert predicted[features.message != 2].max() < 0.1


def test_without_calibration_rows(log: Log) -> None:
    model = fit(log, calibration=np.array([], np.int64), config=BRIEF)
    assert np.isfinite(model.predict(log.features)).all()
    assert np.isnan(model.summary.calibration[0].loss_before)


def test_training_stops_when_no_head_improves(log: Log) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (len(log), 1)).astype(np.float32)
    long = QUICK.model_copy(update={"epochs": 30})
    summary = fit(log, outcomes=noise, heads=(Head("noise", "binary"),), config=long).summary
    assert len(summary.losses) < 30


def test_held_out_rows_are_blocks_of_neighbours_in_the_log() -> None:
    held = held_out(np.arange(64_000), seed=0)
    assert held.sum() == 6_400
    assert (np.diff(np.flatnonzero(held)) > 1).sum() < 100
    # users' later rows go with their earlier ones, wherever these stand
    order = np.random.default_rng(0).permutation(64_000)
    assert (held_out(order, seed=0) == held[order]).all()


def test_an_outcome_that_never_varies_is_a_constant(log: Log) -> None:
    outcomes = np.column_stack([np.zeros(len(log)), np.full(len(log), 7.5), log.outcomes[:, 0]])
    heads = (Head("left", "binary"), Head("fee", "mean"), Head("visit", "binary"))
    model = fit(log, outcomes=outcomes.astype(np.float32), heads=heads)
    assert model.summary.constant == ("left", "fee")
    predicted = model.predict(log.features)
    assert (predicted[:, 0] == predicted[0, 0]).all()
    assert predicted[0, 0] == pytest.approx(0.5 / 12_001, rel=1e-5)
    assert (predicted[:, 1] == np.float32(7.5)).all()
    # and takes nothing from the heads beside it
    assert np.abs(predicted[:, 2] - log.truth[:, 0]).mean() < 0.2 * log.truth[:, 0].std()
    assert [head.loss_before for head in model.summary.calibration][1] == 0
    always = fit(log, outcomes=np.ones((len(log), 1), np.float32), heads=heads[:1], config=BRIEF)
    assert always.predict(log.features) == pytest.approx(12_000.5 / 12_001, rel=1e-6)


def test_members_vary_and_their_mean_varies_less() -> None:
    log = make_log(3_000, seed=11)
    fresh = ragged(np.ones(2_000, np.int64), seed=9)

    def predictions(members: int) -> np.ndarray:
        configs = [QUICK.model_copy(update={"members": members, "seed": seed}) for seed in range(3)]
        return np.stack([fit(log, config=config).predict(fresh)[:, 0] for config in configs])

    one, five = predictions(1), predictions(5)
    assert five.std(axis=0).mean() < 0.7 * one.std(axis=0).mean()


def test_small_logs_get_members_and_large_ones_do_not() -> None:
    auto = QUICK.model_copy(update={"members": "auto"})
    assert member_count(59_999, auto) > 1
    assert member_count(60_000, auto) == 1
    assert member_count(60_000, QUICK.model_copy(update={"members": 3})) == 3


def test_members_progress_in_order_and_are_counted() -> None:
    told: list[float] = []
    model = fit(
        make_log(2_000),
        config=BRIEF.model_copy(update={"members": 3}),
        progress=lambda done, note: told.append(done) or note,  # type: ignore[func-returns-value]
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert model.summary.members == len(model.networks) == 3


def test_every_row_is_learned_from_by_most_members() -> None:
    rows = np.arange(64_000)
    parts = [held_out(rows, 0, member) for member in range(10)]
    assert (np.sum(parts, axis=0) == 1).all()
    assert (held_out(rows, 0, 10) == parts[0]).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "no known outcome"), (2.0, "binary"), (np.inf, "infinite")],
)
def test_outcomes_that_a_head_cannot_have(log: Log, value: float, message: str) -> None:
    outcomes = log.outcomes.copy()
    outcomes[:, 0] = value
    with pytest.raises(InputError, match=message):
        fit(log, outcomes=outcomes)


def test_arguments_that_disagree(log: Log) -> None:
    with pytest.raises(InputError, match="0 training rows"):
        fit(log, train=np.array([], np.int64))
    with pytest.raises(InputError, match="share rows"):
        fit(log, calibration=np.arange(100))
    with pytest.raises(InputError, match="outside"):
        fit(log, train=np.arange(len(log) + 1))
    with pytest.raises(InputError, match="shape"):
        fit(log, heads=HEADS[:1])
    with pytest.raises(InputError, match="exactly one a row"):
        fit(log, features=ragged(np.full(len(log), 2, np.int64)))


def test_a_mean_with_a_most_stays_below_it() -> None:
    log = make_log(3_000, seed=5)
    days = np.random.default_rng(6).binomial(7, 0.2 + 0.6 * log.truth[:, :1]).astype(np.float32)
    rows = np.arange(len(log))
    model = fit_response(log.features, days, (Head("days", "mean", 7.0),), rows[:2_000], rows[2_000:], QUICK)
    assert model.head_scales[0].link == "logit"
    predicted = model.predict(log.features)[:, 0]
    assert 0 < predicted.min() <= predicted.max() < 7
    assert predicted.mean() == pytest.approx(days.mean(), rel=0.05)
    assert np.corrcoef(predicted, log.truth[:, 0])[0, 1] > 0.7
