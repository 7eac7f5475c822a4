"""Weekly volume: budgets and pacing by hand, and marginal utilities from logs that are known."""

from dataclasses import replace

import numpy as np
import pytest

from decision.worlds import everyone
from homing.decision import Context, build_candidates
from homing.decision.baselines import Volume
from homing.decision.baselines.volume import activity
from homing.decision.baselines.weekly_utility import LEVELS, MOST, design, marginal_utility
from homing.schema.times import DAY, HOUR

from .logs import CONFIG, EPOCH, Half, decided, users_with, with_events, with_past


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def flat(*marginal: float) -> np.ndarray:
    """Return the same marginal utilities for every activity."""
    return np.tile([*marginal, *[-1.0] * (MOST - len(marginal))], (LEVELS, 1))


def test_the_budget_ends_where_one_more_no_longer_pays():
    assert (Volume(flat(0.3, 0.2, 0.1)).budget == 3).all()
    assert (Volume(flat(0.3, 0.2, 0.1), threshold=0.15).budget == 2).all()
    assert (Volume(flat(0.3, 0.2, 0.1), threshold=0.2).budget == 1).all()  # it has to add more than that
    assert (Volume(flat(0.3, 0.0, 0.5)).budget == 1).all()  # what comes after does not count
    assert (Volume(flat()).budget == 0).all()
    assert (Volume(np.ones((LEVELS, MOST))).budget == MOST).all()


def sends_on(shard, *days: int):
    """Return the shard with a delivery at the epoch's hour so many days before, for everybody."""
    for day in days:
        users = np.arange(len(shard.users))
        shard = with_events(shard, users, np.full(len(users), EPOCH - day * DAY), "delivered", channel=0)
    return shard


@pytest.mark.parametrize(
    ("budget", "days", "sends"),
    [
        (0, (), False),
        (1, (), True),
        (1, (6,), False),
        (1, (7,), True),
        (2, (3,), False),  # one every three and a half days
        (2, (4,), True),
        (2, (4, 6), False),  # the week is full
        (7, (1,), True),
        (7, (1, 2, 3, 4, 5, 6), True),
        (3, (1,), False),
        (3, (3,), True),
    ],
)
def test_sends_are_spread_over_the_week(budget, days, sends):
    shard = sends_on(users_with(1, 20), *days)
    candidates, _ = build_candidates(shard, everyone(shard, EPOCH), CONFIG)
    p = Volume(flat(*[1.0] * budget)).probabilities(Context(shard, candidates))
    assert (p[candidates.is_hold] == (not sends)).all()


def test_content_is_ranked_by_the_values_where_there_is_a_column_and_else_newest_first():
    shard = users_with(1, 50)
    candidates, _ = build_candidates(shard, everyone(shard, EPOCH), CONFIG)
    values = np.random.default_rng(0).normal(size=(len(candidates), 2)).astype(np.float32)
    values[candidates.is_hold] = 9  # what hold is worth is not asked
    chosen = Volume(flat(1.0), column=1).probabilities(Context(shard, candidates, values)) == 1
    best = np.maximum.reduceat(np.where(candidates.is_hold, -9, values[:, 1]), candidates.offsets[:-1])
    assert (values[chosen, 1] == best).all()
    newest = Volume(flat(1.0)).probabilities(Context(shard, candidates, values)) == 1
    created = np.where(candidates.is_hold, 0, shard.opportunities.created_at[candidates.opportunity])
    assert (created[newest] == np.maximum.reduceat(created, candidates.offsets[:-1])).all()


def test_activity_counts_days_before_the_epoch():
    at = EPOCH - np.array([1, 2 * HOUR, 3 * DAY, 14 * DAY, 14 * DAY + 1, 0])
    shard = with_events(users_with(0, 2), np.zeros(6, np.int64), at)
    assert activity(shard, everyone(shard, EPOCH)).tolist() == [3, 0]


def test_marginal_utilities_of_exact_shares_are_exact():
    days = np.array([-0.5, 1.0, 0.3, -0.2, 0.1, 0.4, -0.1, -0.6, 0.2])
    out = np.array([-4.0, 0.0, 0.1, 0.2, 0.0, 0.3, 0.0, 0.2, 0.1])
    x = design()
    active, left = sigmoid(x @ days), sigmoid(x @ out)
    found = marginal_utility(np.full(active.shape, 1e6), active, left, opt_out_days=20.0)
    utility = 7 * active - 20 * left
    assert found == pytest.approx((utility[..., 1] - utility[..., 0])[:, :MOST], abs=1e-5)
    # by hand: activity 7 of 14, 7 sends before
    base = -0.5 + 0.5 + 0.3 * 0.25 - 0.2 + 0.1 * 0.5
    gone = -4.0 + 0.1 * 0.25 + 0.2
    by_hand = 7 * (sigmoid(base + 0.4 - 0.05 - 0.6 + 0.1) - sigmoid(base)) - 20 * (
        sigmoid(gone + 0.3 + 0.2 + 0.05) - sigmoid(gone)
    )
    assert found[7, 7] == pytest.approx(by_hand, abs=1e-5)


def test_a_fit_recovers_the_utilities_of_a_known_log():
    users, rng = 30_000, np.random.default_rng(3)
    shard = decided(with_past(users_with(21, users), 5, most=8), Half())
    days = np.array([-1.0, 1.5, 0.0, -0.3, 0.0, 0.6, -0.2, -0.9, 0.0])
    level = activity(shard, everyone(shard, EPOCH))
    before = np.bincount(
        np.repeat(np.arange(users), np.diff(shard.events.offsets))[shard.events.type == 0], minlength=users
    )
    send = (shard.decisions.message >= 0).astype(int)
    x = design()[level, before, send]
    user, day = np.nonzero(rng.random((users, 7)) < sigmoid(x @ days)[:, None])
    shard = with_events(shard, user, EPOCH + day * DAY + rng.integers(0, DAY, len(user)))
    policy = Volume.fit([shard], CONFIG, opt_out_days=5.0)
    p = sigmoid(x @ days)
    covariance = np.linalg.inv((x.T * (7 * p * (1 - p))) @ x)
    full = design()
    for k in (0, 3, 6):
        for activity_level in (2, 7, 12):
            hold, sent = full[activity_level, k]
            true = 7 * (sigmoid(sent @ days) - sigmoid(hold @ days))
            slope = 7 * (sigmoid(sent @ days) * sigmoid(-sent @ days) * sent)
            slope = slope - 7 * (sigmoid(hold @ days) * sigmoid(-hold @ days) * hold)
            error = np.sqrt(slope @ covariance @ slope)
            assert policy.marginal[activity_level, k] == pytest.approx(true, abs=4 * error + 1e-3)
            assert error < 0.06
    # one send pays, and from some volume on one more does not
    middle = policy.budget[4:12]
    assert ((middle >= 3) & (middle <= 6)).all()


def test_what_an_opt_out_costs_lowers_the_utility():
    rng, users = np.random.default_rng(0), 5_000
    shard = decided(with_past(users_with(1, users), 1), Half())
    sent = np.flatnonzero(shard.decisions.message >= 0)
    gone = sent[rng.random(len(sent)) < 0.1]
    shard = with_events(shard, gone, np.full(len(gone), EPOCH + DAY), "opted_out", 0)
    shard = with_events(shard, np.arange(users), np.full(users, EPOCH + 2 * DAY))
    cheap, dear = (Volume.fit([shard], CONFIG, opt_out_days=days).marginal for days in (0.0, 10.0))
    assert np.abs(cheap[3:11, :5]).max() < 0.02  # everybody comes on one day
    assert dear[3:11, :5] == pytest.approx(-1.0, abs=0.35)


def test_two_shards_are_one_log():
    halves = [decided(with_past(users_with(seed, 300), seed), Half()) for seed in (1, 2)]
    halves = [with_events(shard, np.arange(150), np.full(150, EPOCH + HOUR)) for shard in halves]
    assert Volume.fit(halves, CONFIG).marginal == pytest.approx(Volume.fit(halves[::-1], CONFIG).marginal)
    assert replace(Volume.fit(halves, CONFIG), threshold=9.0).budget.max() == 0
