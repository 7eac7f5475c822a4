"""The recovering difference softmax: score and penalty by hand, scores from known logs."""

from dataclasses import replace

import numpy as np
import pytest

from homing.decision import Context, build_candidates
from homing.decision.baselines import Recovering
from homing.decision.baselines.arms import ArmSums
from homing.decision.replay import replay
from homing.schema import Candidates, Instants
from homing.schema.times import DAY, HOUR

from .logs import CONFIG, EPOCH, Half, candidates_of, decided, users_with, with_events


def two_arms(shard) -> Candidates:
    """Return three rounds: hold and two candidates of message 0 by push; hold and one of it; hold and one
    of message 1 by e-mail."""
    message = np.array([-1, 0, 0, -1, 0, -1, 1], np.int32)
    return Candidates(
        rows=Instants(np.arange(3, dtype=np.int32), np.full(3, EPOCH)),
        offsets=np.array([0, 3, 5, 7]),
        opportunity=message,
        message=message,
        channel=np.array([-1, 0, 0, -1, 0, -1, 1], np.int16),
        slot_start=np.full(7, EPOCH),
        slot_end=np.full(7, EPOCH),
        hour_of_week=np.zeros(7, np.int16),
    )


def test_scores_by_hand():
    shard = users_with(0, 3, messages=2)
    sums = ArmSums.of(
        shard.messages,
        two_arms(shard),
        chosen=np.array([1, 3, 6]),
        propensity=np.array([0.25, 0.5, 0.8]),
        reward=np.array([True, True, False]),
    )
    push, hold = 0, -1  # message 0 by push is the first arm
    # push: chosen in the first round, 1 / (0.25 x 2); held in the second, where one other was, 1 / 0.5
    assert sums.weight[:, push] == pytest.approx([2, 2])
    assert sums.weighted[:, push] == pytest.approx([2, 2])
    # hold: chosen in the second, 1 / 0.5; in the first one of two others, 1 / (0.25 x 2); then 1 / 0.8
    assert sums.weight[:, hold] == pytest.approx([2 + 1.25, 2])
    assert sums.weighted[:, hold] == pytest.approx([2, 2])
    assert sums.squared[:, hold] == pytest.approx([4 + 1.25**2, 4])
    assert sums.rounds[:, hold].tolist() == [2, 1]
    assert sums.reward[:, hold].tolist() == [1, 1]
    bare = sums.relative_difference(prior=0.0)
    assert bare[hold] == pytest.approx((1 - 2 / 3.25) / (2 / 3.25))
    assert bare[push] == pytest.approx(0.0)
    # shrunk to 2 rewards in 3 rounds, which count for 5
    missed = (2 / 3.25 * (3.25**2 / (4 + 1.25**2)) + 2 / 3 * 5) / (3.25**2 / (4 + 1.25**2) + 5)
    chosen = (1 * 1 + 2 / 3 * 5) / (1 + 5)
    assert sums.relative_difference(prior=5.0)[hold] == pytest.approx(chosen / missed - 1)
    assert (sums + sums).relative_difference(0.0)[hold] == pytest.approx(bare[hold])
    assert bare[1] == 0  # never eligible


def test_the_softmax_by_hand():
    """An arm sent 15 days ago has half its penalty; an arm's share is split among its candidates."""
    shard = users_with(0, 3, messages=2)
    log = replace(
        decided(shard, Half()).decisions,
        epoch_at=np.full(3, EPOCH - 15 * DAY),
        message=np.array([0, -1, 0], np.int32),
        channel=np.array([0, -1, 0], np.int16),
    )
    policy = Recovering(np.array([[0.03, 0.0, 0.0], [0.0, 0.01, 0.0]]), 0.02, gamma=0.02, temperature=0.01)
    p = policy.probabilities(Context(replace(shard, decisions=log), two_arms(shard)))
    first = np.exp([2.0, 3.0 - 1.0])
    assert p[:3] == pytest.approx([first[0] / first.sum(), *[first[1] / first.sum() / 2] * 2])
    second = np.exp([2.0, 3.0])  # never sent to this user
    assert p[3:5] == pytest.approx(second / second.sum())
    third = np.exp([2.0, 1.0])
    assert p[5:] == pytest.approx(third / third.sum())


def test_a_kind_of_message_that_the_log_did_not_have_scores_nothing():
    shard = users_with(0, 3, messages=2)
    policy = Recovering(np.array([[0.0, 0.0]]), 0.0, temperature=0.01)
    p = policy.probabilities(Context(shard, two_arms(shard)))
    assert p[5:] == pytest.approx([0.5, 0.5])


def test_the_paper_s_penalties():
    """1.6 % at one day, 1.2 % at 7, 0.85 % at 15, 0.4 % at 30."""
    policy = Recovering(np.zeros((1, 1)), 0.0)
    days = np.array([1, 7, 15, 30])
    told = policy.gamma * 0.5 ** (days / policy.half_life)
    assert told == pytest.approx([0.016, 0.012, 0.0085, 0.004], abs=4e-4)


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_a_fit_recovers_the_scores_of_a_known_log(tilt):
    """Rewards depend on the arm, and on whether the user likes the third message's category, which they then
    are sent more often; the log leans to later candidates. Neither may leak into the scores."""
    users, rng = 20_000, np.random.default_rng(7)
    shard = decided(users_with(11, users), Half(tilt))
    candidates = candidates_of(shard)
    third = np.zeros(users)
    np.maximum.at(third, candidates.row, (candidates.message == 2).astype(float))
    lift = np.array([[0.05, 0.15, 0.0], [0.0, 0.0, 0.1], [0.1, -0.05, 0.0]])

    def chance(message, channel, row):
        sent = message >= 0
        return 0.2 + 0.3 * third[row] + np.where(sent, lift[message, channel], 0.02)

    seen = replay(shard, np.arange(users), CONFIG)
    chosen = seen.candidates.pick(seen.chosen)
    came = np.flatnonzero(rng.random(users) < chance(chosen.message, chosen.channel, np.arange(users)))
    shard = with_events(shard, came, EPOCH + rng.integers(0, DAY, len(came)))
    policy = Recovering.fit([shard], CONFIG, prior=0.0)
    expected = chance(candidates.message, candidates.channel, candidates.row)
    arm = np.where(candidates.is_hold, 9, candidates.message * 3 + candidates.channel)
    for one, found in enumerate([*policy.score.ravel(), policy.hold]):
        mine = arm == one
        size = np.bincount(candidates.row, weights=mine, minlength=users)
        others = candidates.counts - size
        eligible = size > 0
        won = np.bincount(candidates.row, weights=mine * expected, minlength=users)
        all_won = np.bincount(candidates.row, weights=expected, minlength=users)
        plus = (won[eligible] / size[eligible]).mean()
        minus = ((all_won - won)[eligible] / others[eligible]).mean()
        weight = 1 / (shard.decisions.propensity * np.where(mine[seen.chosen], size, others))
        sides = [eligible & mine[seen.chosen], eligible & ~mine[seen.chosen]]
        # binomial errors of both weighted means, each at most 0.25 a reward
        plus_error, minus_error = (
            np.sqrt(0.25 * (weight[side] ** 2).sum()) / weight[side].sum() for side in sides
        )
        error = np.hypot(plus_error / minus, plus * minus_error / minus**2)
        assert found == pytest.approx(plus / minus - 1, abs=4 * error), one
        assert error < 0.12


def test_the_reward_is_a_visit_within_the_window():
    shard = decided(users_with(2, 2_000), Half())
    sent = np.flatnonzero(shard.decisions.message >= 0)
    late = Recovering.fit([with_events(shard, sent, np.full(len(sent), EPOCH + DAY))], CONFIG)
    assert late.hold == 0  # nobody came in time
    soon = Recovering.fit([with_events(shard, sent, np.full(len(sent), EPOCH + DAY - 1))], CONFIG, prior=0.0)
    assert soon.hold == -1  # all who were sent something came, and nobody else
    assert (soon.score > 0.05).all()


def test_shards_add_up():
    both = [decided(users_with(seed, 300), Half()) for seed in (1, 2)]
    rng = np.random.default_rng(0)
    both = [with_events(shard, rng.permutation(300)[:150], np.full(150, EPOCH + HOUR)) for shard in both]
    policy = Recovering.fit(both, CONFIG)
    other = Recovering.fit(reversed(both), CONFIG)
    assert policy.hold == pytest.approx(other.hold)
    assert policy.hold != Recovering.fit(both[:1], CONFIG).hold
    candidates, _ = build_candidates(both[0], Instants(np.array([0], np.int32), np.array([EPOCH])), CONFIG)
    assert policy.probabilities(Context(both[0], candidates)).sum() == pytest.approx(1)
