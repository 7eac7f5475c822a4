"""What holds for every policy: the baselines by discovery, and the plain ones."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import homing.decision.baselines as package
from decision.test_policies import POLICIES
from decision.worlds import CONFIG as RULES
from decision.worlds import everyone, offsets_of, world
from homing.decision import Context, Policy, build_candidates, decide
from homing.decision.baselines import BASELINES, make
from homing.schema import InputError, Instants, Shard

from .logs import CONFIG, small_log, users_with

NAMES = (*BASELINES, *POLICIES)
OBJECTIVES = tuple(CONFIG.objectives)


@cache
def policy_of(name: str) -> Policy:
    return POLICIES[name] if name in POLICIES else make(name, [small_log()], CONFIG, OBJECTIVES)


def values_of(candidates) -> np.ndarray:
    """Return numbers that depend on the candidate and not on its place, with ties among them."""
    first = candidates.slot_start // 10**6 % 7 + candidates.message
    return np.stack([first, candidates.channel], axis=1).astype(np.float32) / 10


def context_of(shard: Shard, rows: Instants) -> Context:
    candidates, _ = build_candidates(shard, rows, RULES)
    values = values_of(candidates)
    return Context(shard, candidates, values)


def test_every_policy_of_the_package_is_in_the_registry():
    found = {
        thing
        for thing in vars(package).values()
        if isinstance(thing, type) and hasattr(thing, "probabilities")
    }
    assert found == {type(policy_of(name)) for name in BASELINES}


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_called_what_it_is_made_by(name):
    assert policy_of(name).name == name


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3]))
@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_over_what_is_eligible(name, seed, transactional):
    shard, at = world(seed, users=30, transactional=transactional)
    policy, rows = policy_of(name), everyone(shard, at)
    given_ = context_of(shard, rows)
    candidates, p = given_.candidates, policy.probabilities(given_)
    assert p.dtype == np.float64
    assert p.shape == (len(candidates),)
    free = np.repeat(given_.forced < 0, candidates.counts)
    assert (p >= 0).all()
    assert (p >= policy.floor / candidates.counts[candidates.row] - 1e-12)[free].all()
    assert np.abs(np.add.reduceat(p, candidates.offsets[:-1]) - 1).max() < 1e-9
    alone = candidates.offsets[:-1][candidates.counts == 1]
    assert (p[alone] == 1).all()  # nothing to send is hold
    forced = given_.forced[given_.forced >= 0]
    assert (p[forced] == 1).all()
    drawn, _ = decide(shard, rows, policy, RULES, values_of)
    keys = (candidates.opportunity, candidates.channel, candidates.slot_start)
    offered = set(zip(candidates.row, *keys, strict=True))
    sent = np.flatnonzero(drawn.message >= 0)
    chosen = zip(sent, drawn.opportunity[sent], drawn.channel[sent], drawn.slot_start[sent], strict=True)
    assert set(chosen) <= offered


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6))
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_equals_one_at_a_time(name, seed):
    shard, at = world(seed, users=10)
    together = context_of(shard, everyone(shard, at))
    p = policy_of(name).probabilities(together)
    for user in range(10):
        alone = context_of(shard, Instants(np.array([user], np.int32), np.array([at])))
        own = slice(*together.candidates.offsets[[user, user + 1]])
        assert (policy_of(name).probabilities(alone) == p[own]).all()


def before(shard: Shard, at: int) -> Shard:
    """Return the shard as it was known just before an instant."""
    events, log = shard.events, shard.decisions
    kept = events.at < at
    owner = np.repeat(np.arange(len(shard.users)), np.diff(events.offsets))[kept]
    columns = {name: column[kept] for name, column in vars(events).items() if name != "offsets"}
    past = log.epoch_at < at
    rows = {name: column[past] for name, column in vars(log).items() if name != "offsets"}
    users = len(shard.users)
    return replace(
        shard,
        events=replace(events, offsets=offsets_of(np.bincount(owner, minlength=users)), **columns),
        decisions=replace(log, offsets=offsets_of(np.bincount(log.user[past], minlength=users)), **rows),
    )


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_or_after_the_epoch_is_looked_at(name, seed):
    shard, at = world(seed, users=30)
    seen = context_of(shard, everyone(shard, at))
    past = before(shard, at)
    assert len(past.events) + len(past.decisions) < len(shard.events) + len(shard.decisions)
    p = policy_of(name).probabilities(seen)
    assert (policy_of(name).probabilities(replace(seen, shard=past)) == p).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_rows(name):
    shard, _ = world(4)
    nobody = Instants(np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert policy_of(name).probabilities(context_of(shard, nobody)).shape == (0,)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_says_what_it_needs(name):
    needs = BASELINES[name]
    shard, at = world(4, users=30)
    bare = replace(context_of(shard, everyone(shard, at)), values=None)
    if needs.values:
        with pytest.raises(InputError, match=f"{name!r} needs values"):
            policy_of(name).probabilities(bare)
        with pytest.raises(InputError, match="did you mean 'clicks'"):
            make(f"{name}:click", [small_log()], CONFIG, OBJECTIVES)
    else:
        assert policy_of(name).probabilities(bare).sum() == pytest.approx(30)
        with pytest.raises(InputError, match="must be one of"):
            make(f"{name}:clicks", [small_log()], CONFIG, OBJECTIVES)
    if needs.log:
        for log in ([], [users_with(0, 5)]):
            with pytest.raises(InputError, match=f"{name!r} is fitted on a log"):
                make(name, log, CONFIG, OBJECTIVES)
    else:
        assert make(name, [], CONFIG, OBJECTIVES) == policy_of(name)


def test_an_unknown_baseline_gets_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'survival'"):
        make("survivl", [], CONFIG)
