"""Decisions one at a time: as the batch where there is room, and never beyond a maximum."""

from dataclasses import replace

import numpy as np
import pytest

from homing.allocation import Demand, Pace, solve
from homing.decision import (
    Context,
    Meter,
    Prices,
    SharedLimits,
    Softmax,
    build_candidates,
    decide,
    decide_now,
)
from homing.schema import Instants, Reason

from .test_shared_limits import known_world
from .worlds import everyone, with_config

CONFIG = with_config(
    budgets=[
        {"name": "push", "channel": "push", "max": 40},
        {"name": "talk", "domain": "talk", "max": 30},
        {"name": "opt-outs", "counts": "objective:reachability", "max": 9.0},
    ]
)
FREE = Softmax("learned", np.array([1.0, 0, 0, -1.0]), 0.4, 0.1)


def score(candidates):
    """Values of the candidate alone, so that a row scores the same in any batch; sends beat hold."""
    seed = candidates.slot_start // 10**6 + 7919 * candidates.message + 31 * candidates.channel
    first = (seed * 2654435761 % 1000 / 1000.0).astype(np.float32)
    sent = (~candidates.is_hold).astype(np.float32)
    zero = np.zeros_like(first)
    return np.stack([sent * (0.2 + first), zero, zero, sent * 0.2 * (1 - first)], axis=1)


@pytest.fixture(scope="module")
def planned():
    """Return a day's users, and the prices and pace of a forecast that is like them."""
    shard, at = known_world(7, users=600)
    rows = everyone(shard, at)
    limits = SharedLimits.of(CONFIG, shard.vocabularies, shard.messages, None)
    candidates, _ = build_candidates(shard, rows, CONFIG)
    values = score(candidates)
    arm = limits.arms(shard, candidates)
    worth = FREE.worth(Context(shard, candidates, values)).astype(np.float32)
    own = limits.own(arm, candidates.offsets, values)
    demand = Demand(candidates.offsets, worth, arm, limits.uses, own)
    return shard, rows, limits, demand


def forecast(demand, limits, users):
    part = demand.take(np.arange(users))
    solution = solve(part, limits.bounds, FREE.temperature, FREE.floor)
    return solution, Pace.of(part, solution, limits.bounds.most)


def test_one_alone_decides_as_among_others(planned):
    shard, rows, limits, demand = planned
    solution, _ = forecast(demand, limits, 600)
    policy = replace(FREE, prices=Prices(limits, solution.prices))
    batch, _ = decide(shard, rows, policy, CONFIG, score)
    endless = np.full(len(limits), np.inf)
    meter = Meter.empty(len(limits))
    for row in range(0, 600, 13):
        alone = Instants(rows.user[row : row + 1], rows.at[row : row + 1])
        drawn, meter = decide_now(shard, alone, policy, CONFIG, score, meter, endless)
        for name in ("id", "message", "channel", "slot_start", "propensity", "reason", "candidate_set"):
            assert (getattr(drawn, name) == getattr(batch, name)[row]).all(), name
    assert meter.arrived == len(range(0, 600, 13))
    assert meter.used[0] > 0


@pytest.mark.parametrize(
    ("users", "came"),
    [(300, 1.0), (600, 0.5), (300, 2.0), (600, 1.0)],
    ids=["as forecast", "half", "double", "late"],
)
def test_no_maximum_is_passed_whoever_comes(planned, users, came, request):
    shard, rows, limits, demand = planned
    solution, pace = forecast(demand, limits, users)
    policy = replace(FREE, prices=Prices(limits, solution.prices))
    late = request.node.callspec.id == "late"
    meter, most, arrivals = Meter.empty(len(limits)), limits.bounds.most, int(users * came)
    propensities, reasons = [], []
    for start in range(0, arrivals, 50):
        end = min(start + 50, arrivals)
        part = Instants(rows.user[start:end], rows.at[start:end])
        expected = start / arrivals
        passed = min(1.0, np.sqrt(expected)) if late else expected  # late: most were expected earlier
        drawn, meter = decide_now(shard, part, policy, CONFIG, score, meter, most, pace, passed)
        propensities.append(drawn.propensity)
        reasons.append(drawn.reason)
        assert (meter.used <= most + 1e-9).all()
    assert (np.concatenate(propensities) > 0).all()
    assert meter.arrived == arrivals
    if came == 2.0:
        assert (meter.used / most).max() > 0.9


def test_what_does_not_fit_is_not_drawn_from_and_the_propensity_is_of_the_rest(planned):
    shard, rows, limits, _ = planned
    policy = replace(FREE, prices=Prices(limits, np.zeros(len(limits))))
    used = Meter(np.array([40.0, 0.0, 0.0]), 10)
    drawn, after = decide_now(shard, rows, policy, CONFIG, score, used, limits.bounds.most)
    push = shard.vocabularies.channels.code("push")
    assert not (drawn.channel == push).any()
    assert after.used[0] == 40
    full = Meter(np.array([40.0, 30.0, 0.0]), 10)
    stops = np.array([40.0, 30.0, 0.0])
    drawn, _ = decide_now(shard, rows, policy, CONFIG, score, full, stops)
    talk = shard.vocabularies.domains.code("talk")
    sent = drawn.message >= 0
    assert not (shard.messages.domain[drawn.message[sent]] == talk).any()
    alone = (drawn.candidates > 1) & (drawn.reason == Reason.budget_stop)
    assert alone.any()
    assert (drawn.propensity[alone] == 1).all()
    assert not sent[alone].any()
