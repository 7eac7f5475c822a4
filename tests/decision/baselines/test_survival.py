"""Send or wait: sojourns and gains by hand, and a model from a log that is known."""

from dataclasses import replace

import numpy as np
import pytest

from decision.worlds import everyone
from homing.decision import Context, build_candidates
from homing.decision.baselines import Survival
from homing.decision.baselines.next_visit import BASE, Sojourns, columns
from homing.schema.times import DAY, HOUR, SECOND

from .logs import CONFIG, EPOCH, Half, candidates_of, decided, users_with, with_events, with_past

KNOWN = EPOCH + 8 * DAY


def sojourns(shard) -> Sojourns:
    rows = np.arange(len(shard.decisions))
    return Sojourns.of(shard, rows, CONFIG, KNOWN, np.random.default_rng(0))


def test_a_sojourn_ends_with_a_visit_the_next_send_or_the_log():
    shard = decided(users_with(4, 200, channels=1), Half())
    start = np.array(
        [candidates_of(shard).slot_start[offset] for offset in candidates_of(shard).offsets[:-1] + 1]
    )
    visited, sent_later, both = np.arange(0, 50), np.arange(50, 100), np.arange(100, 150)
    shard = with_events(shard, visited, start[visited] + 5 * HOUR)
    shard = with_events(shard, visited, start[visited] - 1)  # before the slot
    shard = with_events(shard, sent_later, start[sent_later] + 2 * DAY, "delivered", 0)
    shard = with_events(shard, both, start[both] + 3 * HOUR)
    shard = with_events(shard, both, start[both] + 2 * HOUR, "delivered", 0)
    found = sojourns(shard)
    assert found.hours[visited] == pytest.approx(5)
    assert found.hours[sent_later] == pytest.approx(48)
    assert found.hours[both] == pytest.approx(2)
    assert found.hours[150:] == pytest.approx((KNOWN - start[150:]) / HOUR)
    assert found.seen.tolist() == [1.0] * 50 + [0.0] * 150
    send = shard.decisions.message >= 0
    assert ((found.x[:, BASE:] != 0).any(axis=1) == send).all()
    assert found.weight == pytest.approx(np.full(200, 2.0), rel=1e-12)  # both sides had one half


def test_a_visit_at_the_slot_s_start_counts_as_a_second():
    shard = decided(users_with(4, 1, channels=1), Half())
    start = candidates_of(shard).slot_start[1]
    found = sojourns(with_events(shard, np.array([0]), np.array([start])))
    assert found.hours[0] == SECOND / HOUR
    assert found.seen[0] == 1


def test_the_columns_by_hand():
    shard = users_with(4, 2, channels=1)
    zone = replace(shard.users, zone=np.zeros(2, np.int32))
    channel = replace(shard.consents, channel=np.array([2, 0], np.int16))
    shard = replace(shard, users=zone, consents=channel)
    shard = with_events(shard, np.zeros(3, np.int64), EPOCH - np.array([3, 30, 700]) * HOUR)
    shard = with_events(shard, np.zeros(2, np.int64), EPOCH - np.array([1, 9]) * DAY, "delivered", 0)
    candidates, _ = build_candidates(shard, everyone(shard, EPOCH), CONFIG)
    base, extra = columns(shard, candidates, channels=3)
    turn = 20 / 24 * 2 * np.pi
    assert base[1] == pytest.approx([1, np.log(4), np.log(3), np.sin(turn), np.cos(turn), 20 / 24])
    assert extra[1] == pytest.approx([0, 0, 1, np.log(3), np.log(2)])
    second = candidates.offsets[1] + 1
    turn = 9 / 24 * 2 * np.pi
    assert base[second] == pytest.approx(
        [1, np.log(1 + 28 * 24), 0, np.sin(turn), np.cos(turn), 9 / 24]
    )  # never came
    assert extra[second] == pytest.approx([1, 0, 0, 0, 0])


def model(scale=1.5, **kinds: float) -> Survival:
    beta = np.zeros(BASE + 5)
    beta[0] = 3.0
    for place, value in zip((BASE, BASE + 1, BASE + 2), kinds.values(), strict=False):
        beta[place] = value
    return Survival(beta, scale)


def test_the_gain_by_hand():
    shard = users_with(4, 30)
    candidates = candidates_of(shard)
    gain = model(push=-1.0, email=0.0, in_app=0.5).gain(Context(shard, candidates))

    def reached(location):
        return 1 - np.exp(-((24 / np.exp(location)) ** (1 / 1.5)))

    expected = {0: reached(2.0) - reached(3.0), 1: 0.0, 2: reached(3.5) - reached(3.0)}
    sends = np.flatnonzero(~candidates.is_hold)
    assert len(sends) > 60
    for place in sends:
        assert gain[place] == pytest.approx(expected[candidates.channel[place]])


def test_it_waits_until_the_gain_passes_the_threshold():
    shard = users_with(4, 30)
    candidates = candidates_of(shard)
    given = Context(shard, candidates)
    gain = model(push=-1.0).gain(given).max()
    for threshold, held in ((gain - 1e-9, 0), (gain, 1), (0.9, 1)):  # as much as the threshold is not more
        policy = replace(model(push=-1.0), threshold=threshold)
        p = policy.probabilities(given)
        assert (p[candidates.is_hold] == held).all()
    p = model(push=-1.0, email=-0.5).probabilities(given)
    assert (candidates.channel[p == 1] == 0).all()
    created = np.where(candidates.channel == 0, shard.opportunities.created_at[candidates.opportunity], 0)
    assert (created[p == 1] == np.maximum.reduceat(created, candidates.offsets[:-1])).all()


def test_a_fit_recovers_the_model_of_a_known_log():
    """Times to the next visit are drawn from the model, from each user's one slot on; 8 days are seen."""
    users, rng = 20_000, np.random.default_rng(9)
    shard = decided(with_past(users_with(31, users, channels=1), 6, most=6), Half())
    candidates = candidates_of(shard)
    at = candidates.pick(candidates.offsets[:-1] + 1)
    base, extra = columns(shard, at, 3)
    send = shard.decisions.message >= 0
    x = np.hstack([base, extra * send[:, None]])
    beta = np.array([3.0, 0.3, -0.4, 0.2, -0.1, 0.2, -1.0, -0.5, 0.1, 0.1, 0.3])
    hours = np.exp(x @ beta + 1.3 * np.log(rng.exponential(size=users)))
    visit = at.slot_start + np.maximum(hours * HOUR, SECOND).astype(np.int64)
    soon = visit < EPOCH + 60 * DAY
    shard = with_events(shard, np.flatnonzero(soon), visit[soon])
    policy = Survival.fit([shard], CONFIG)
    seen = visit < KNOWN
    # information of b given who was seen: d x x' / s^2 (bordered by the scale's, which widens it a little)
    error = 1.3 * np.sqrt(np.diag(np.linalg.inv((x.T * seen) @ x)))
    assert (np.abs(policy.beta - beta) < 5 * error).all()
    assert policy.scale == pytest.approx(1.3, abs=4 * 1.3 / np.sqrt(seen.sum()))
    assert 0.6 < seen.mean() < 0.99
    true = Survival(beta, 1.3)
    gain, told = (each.gain(Context(shard, candidates)) for each in (policy, true))
    assert np.abs(gain - told).max() < 0.06
    assert np.corrcoef(gain, told)[0, 1] > 0.98
