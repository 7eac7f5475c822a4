from dataclasses import replace

import numpy as np
import pytest

import homing.decision.policies as module
from homing.decision import Constant, Context, Hold, Policy, Softmax, Uniform, build_candidates
from homing.schema import InputError, Instants

from .worlds import CONFIG, everyone, world

POLICIES: dict[str, Policy] = {
    "Softmax": Softmax("learned", np.array([1.0, -0.5]), 0.7, 0.05),
    "Hold": Hold(),
    "Uniform": Uniform(),
    "Constant": Constant(2),
}


def context(seed=4, users=60, transactional=0.0, rows=None):
    shard, at = world(seed, users=users, transactional=transactional)
    candidates, _ = build_candidates(shard, everyone(shard, at) if rows is None else rows, CONFIG)
    values = np.random.default_rng(seed).normal(size=(len(candidates), 2)).astype(np.float32)
    return Context(shard, candidates, values)


def test_every_policy_of_the_module_is_under_the_contract():
    found = {
        name
        for name, thing in vars(module).items()
        if isinstance(thing, type) and hasattr(thing, "probabilities") and name != "Policy"
    }
    assert found == set(POLICIES)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_policy_is_a_distribution_over_every_row_and_at_least_its_floor(policy):
    given = context()
    p = policy.probabilities(given)
    assert p.dtype == np.float64
    assert p.shape == (len(given.candidates),)
    assert (p >= policy.floor / np.repeat(given.candidates.counts, given.candidates.counts) - 1e-15).all()
    assert np.abs(np.add.reduceat(p, given.candidates.offsets[:-1]) - 1).max() < 1e-12


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_policy_has_a_say_where_a_transactional_message_is_due(policy):
    given = context(transactional=0.5, users=200)
    forced = np.flatnonzero(given.forced >= 0)
    p = policy.probabilities(given)
    assert (p[given.forced[forced]] == 1).all()
    assert 20 < len(forced) < 180
    assert np.abs(np.add.reduceat(p, given.candidates.offsets[:-1]) - 1).max() < 1e-12
    free = np.repeat(given.forced < 0, given.candidates.counts)
    normal = replace(given.shard, messages=replace(given.shard.messages, transactional=np.zeros(6, np.bool_)))
    assert (p[free] == policy.probabilities(replace(given, shard=normal))[free]).all()


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_rows(policy):
    nobody = Instants(np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert policy.probabilities(context(rows=nobody)).shape == (0,)


@pytest.mark.parametrize("policy", [Hold(), Uniform(), Constant(0)])
def test_only_the_softmax_needs_values(policy):
    given = context()
    bare = Context(given.shard, given.candidates)
    assert (policy.probabilities(bare) == policy.probabilities(given)).all()


def test_the_softmax_without_values_says_what_it_needs():
    given = context()
    with pytest.raises(InputError, match="'learned' needs values"):
        POLICIES["Softmax"].probabilities(Context(given.shard, given.candidates))


def test_constant_is_uniform_over_the_ways_to_send_its_message_and_holds_without_one():
    given = context()
    candidates = given.candidates
    p = Constant(2).probabilities(given)
    both = set()
    for start, end in zip(candidates.offsets[:-1], candidates.offsets[1:], strict=True):
        ways = candidates.message[start:end] == 2
        both.add(bool(ways.any()))
        expected = ways / ways.sum() if ways.any() else np.eye(1, end - start)[0]
        assert p[start:end] == pytest.approx(expected)
    assert both == {True, False}


def test_of_several_transactional_messages_the_first_to_expire_is_sent_in_its_earliest_slot():
    given = context(transactional=1.0, users=300)
    candidates, opportunities = given.candidates, given.shard.opportunities
    for row in range(300):
        own = range(candidates.offsets[row] + 1, candidates.offsets[row + 1])
        best = min(
            own,
            default=-1,
            key=lambda place: (
                opportunities.expires_at[candidates.opportunity[place]],
                opportunities.hash[candidates.opportunity[place]],
                candidates.slot_start[place],
                candidates.channel[place],
            ),
        )
        assert given.forced[row] == best
    assert (given.forced >= 0).sum() > 50
