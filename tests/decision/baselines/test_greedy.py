"""Greedy, and the penalty that the log gives."""

from dataclasses import replace

import numpy as np
import pytest

from homing.decision import Context
from homing.decision.baselines import Greedy, make
from homing.schema.times import HOUR

from .logs import CONFIG, Half, candidates_of, decided, users_with, with_events

OBJECTIVES = tuple(CONFIG.objectives)


def test_the_largest_value_wins_and_hold_pays_no_penalty():
    shard = users_with(0, 1)
    candidates = candidates_of(shard)
    values = np.zeros((len(candidates), 2), np.float32)
    values[:4, 0] = [0.02, 0.05, 0.04, 0.05]
    given = Context(shard, candidates, values)
    assert Greedy("greedy", 0).probabilities(given)[1] == 1
    assert Greedy("greedy", 0, penalty=0.02).probabilities(given)[1] == 1
    assert Greedy("greedy", 0, penalty=0.031).probabilities(given)[0] == 1
    values[:, 1] = 0.5
    values[2, 1] = 0.1
    assert Greedy("greedy", 1, sign=-1.0).probabilities(given)[2] == 1
    assert Greedy("greedy", 1, sign=-1.0, penalty=0.5).probabilities(given)[0] == 1


def test_the_objective_is_the_one_that_is_named_or_else_clicks():
    assert make("greedy", [], CONFIG, OBJECTIVES) == Greedy("greedy", 0)
    assert make("greedy:leaving", [], CONFIG, ("leaving", "clicks")) == Greedy("greedy", 0, sign=-1.0)


def test_the_penalty_is_what_an_average_send_gains_over_a_hold():
    """Six decisions by hand: sends were drawn with 0.1 of 5 ways and 0.25 of 2, holds with 0.5 and 0.25."""
    shard = decided(users_with(3, 6), Half())
    log = shard.decisions
    message = np.array([1, 1, 1, -1, -1, -1], np.int32)
    log = replace(
        log,
        message=message,
        propensity=np.array([0.1, 0.25, 0.25, 0.5, 0.25, 1.0]),
        candidates=np.array([6, 3, 3, 6, 3, 1], np.int32),
    )
    shard = replace(shard, decisions=log)
    shard = with_events(shard, np.array([0, 3]), log.epoch_at[:2] + HOUR, "clicked", 0, np.array([0, 3]))
    policy = make("greedy-penalty", [shard], CONFIG, OBJECTIVES)
    # weights of the sends: 1 / (0.1 x 5), 1 / (0.25 x 2), 2; of the holds 2 and 4; the last had no choice
    assert policy.penalty == pytest.approx(2 / (2 + 2 + 2) - 2 / (2 + 4))
    twice = make("greedy-penalty", [shard, shard], CONFIG, OBJECTIVES)
    assert twice.penalty == pytest.approx(policy.penalty)


def test_the_penalty_counts_over_the_horizon():
    """A send and a hold, each drawn with 1 / 2; the sent user opts out twice, both times after the window."""
    shard = decided(users_with(3, 2), Half())
    message = np.array([1, -1], np.int32)
    log = replace(
        shard.decisions, message=message, propensity=np.full(2, 0.5), candidates=np.full(2, 2, np.int32)
    )
    late = log.epoch_at[0] + np.array([3, 5]) * 24 * HOUR
    shard = with_events(replace(shard, decisions=log), np.zeros(2, int), late, "opted_out", 0, np.full(2, -1))

    def penalty(horizon: str | None) -> float:
        leaving = CONFIG.objectives["leaving"].model_copy(update={"horizon": horizon})
        config = CONFIG.model_copy(update={"objectives": CONFIG.objectives | {"leaving": leaving}})
        return make("greedy-penalty:leaving", [shard], config, OBJECTIVES).penalty

    assert [penalty(None), penalty("4d"), penalty("6d")] == [0, -1, -2]


def test_the_penalty_is_unbiased_where_propensities_tell_users_apart():
    rng = np.random.default_rng(0)
    shard = decided(users_with(1, 20_000), Half(tilt=0.4))
    log = shard.decisions
    rate = np.where(log.message < 0, 0.0, 0.1 + 0.2 * (log.channel == 0))
    clicked = np.flatnonzero(rng.random(20_000) < rate)
    shard = with_events(shard, clicked, log.epoch_at[clicked] + HOUR, "clicked", 0, clicked)
    policy = make("greedy-penalty", [shard], CONFIG, OBJECTIVES)
    true = 0.1 + 0.2 / 3  # drawn alike from a set, whose channels are as many
    assert policy.penalty == pytest.approx(true, abs=0.02)
    assert rate[log.message >= 0].mean() < true - 0.02  # the log itself leans to later candidates
