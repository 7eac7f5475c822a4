from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.decision import (
    Constant,
    Context,
    Hold,
    Softmax,
    Uniform,
    build_candidates,
    candidate_set_hash,
    decide,
)
from homing.schema import Instants, Reason
from homing.schema.times import DAY, MISSING

from .worlds import CONFIG, everyone, with_config, world

POLICY = Softmax("learned", np.array([1.0, 0.5, 0.2, -1.0]), 0.8, 0.2)


def score(candidates):
    """Values that depend on the candidate alone, as a model's do."""
    place = np.stack(
        [candidates.message, candidates.channel, candidates.hour_of_week, candidates.opportunity]
    )
    return np.sin(place.T * np.array([1.3, 2.1, 0.37, 0.91])).astype(np.float32)


def drawn_rows(drawn):
    return {
        field.name: getattr(drawn, field.name)
        for field in fields(drawn)
        if field.name not in ("rows", "opportunity")
    }


def same(left, right):
    columns, others = drawn_rows(left), drawn_rows(right)
    return all(np.array_equal(columns[name], others[name], equal_nan=name == "values") for name in columns)


def test_the_same_plan_twice_is_the_same():
    shard, at = world(5, users=80)
    first, removed = decide(shard, everyone(shard, at), POLICY, CONFIG, score)
    again, removed_again = decide(shard, everyone(shard, at), POLICY, CONFIG, score)
    assert same(first, again)
    assert (removed.counts == removed_again.counts).all()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_a_batch_equals_one_at_a_time(seed):
    shard, at = world(seed, users=12)
    together, _ = decide(shard, everyone(shard, at), POLICY, CONFIG, score)
    for user in range(12):
        alone, _ = decide(shard, Instants(np.array([user], np.int32), np.array([at])), POLICY, CONFIG, score)
        for name, column in drawn_rows(together).items():
            assert np.array_equal(drawn_rows(alone)[name][0], column[user]), name


def test_another_salt_or_another_epoch_draws_anew():
    shard, at = world(5, users=400, transactional=0.0)
    base, _ = decide(shard, everyone(shard, at), Uniform(), CONFIG)
    salted, _ = decide(shard, everyone(shard, at), Uniform(), with_config(workspace={"salt": "other"}))
    later, _ = decide(shard, everyone(shard, at + 1), Uniform(), CONFIG)
    assert (base.candidate_set == salted.candidate_set).all()
    choice = base.candidates > 5
    for other in (salted, later):
        assert (other.slot_start[choice] != base.slot_start[choice]).mean() > 0.5
        assert not (other.id == base.id).all(axis=1).any()


def test_what_is_logged_belongs_to_the_choice():
    shard, at = world(5, users=200, transactional=0.1)
    rows = everyone(shard, at)
    drawn, _ = decide(shard, rows, POLICY, CONFIG, score)
    candidates, _ = build_candidates(shard, rows, CONFIG)
    p = POLICY.probabilities(Context(shard, candidates, score(candidates)))
    assert (drawn.candidates == candidates.counts).all()
    assert (drawn.candidate_set == candidate_set_hash(shard, candidates)).all()
    held = drawn.message < 0
    assert 0 < held.sum() < 200
    for row in range(200):
        start = candidates.slot_start.copy()
        start[candidates.is_hold] = MISSING
        inside = slice(candidates.offsets[row], candidates.offsets[row + 1])
        hit = (
            (candidates.opportunity[inside] == drawn.opportunity[row])
            & (candidates.channel[inside] == drawn.channel[row])
            & (start[inside] == drawn.slot_start[row])
        )
        assert hit.sum() == 1
        assert drawn.propensity[row] == p[inside][hit][0]
        assert (drawn.values[row] == score(candidates)[inside][hit][0]).all()
        assert drawn.message[row] == candidates.message[inside][hit][0]
    assert (drawn.slot_end[held] == MISSING).all()
    assert (drawn.slot_end[~held] - drawn.slot_start[~held] == 90 * 60_000_000).all()


def test_a_ledger_with_the_decisions_in_it_replays_to_the_logged_sets():
    """What was drawn becomes part of the log, and neither its own epoch nor an earlier one sees it."""
    shard, at = world(5, users=80)
    epochs = [at - DAY, at]
    for epoch in epochs:
        drawn, _ = decide(shard, everyone(shard, epoch), POLICY, CONFIG, score)
        log = shard.decisions
        user = np.concatenate([log.user, drawn.rows.user])
        epoch_at = np.concatenate([log.epoch_at, drawn.rows.at])
        order = np.lexsort((epoch_at, user))
        columns = {
            name: np.concatenate([getattr(log, name), getattr(drawn, name)])[order]
            for name in (
                "id",
                "opportunity",
                "message",
                "channel",
                "slot_start",
                "slot_end",
                "propensity",
                "candidates",
                "candidate_set",
                "values",
                "reason",
            )
        }
        offsets = log.offsets + np.arange(81)
        release = np.zeros(len(order), np.int32)
        log = replace(log, offsets=offsets, epoch_at=epoch_at[order], release=release, **columns)
        shard = replace(shard, decisions=log)
    row = np.flatnonzero((shard.decisions.candidate_set != 0).any(axis=1))
    assert len(row) == 160
    assert (shard.decisions.message[row] >= 0).sum() > 20
    rows = Instants(shard.decisions.user[row], shard.decisions.epoch_at[row])
    replayed, _ = build_candidates(shard, rows, CONFIG)
    assert (candidate_set_hash(shard, replayed) == shard.decisions.candidate_set[row]).all()


def many_draws(policy, epochs=4000):
    """Return decisions of one user at very many epochs, between which nothing changes."""
    shard, at = world(5, users=80, around=20_500 * DAY, zones=("UTC",), transactional=0.0)
    counts = build_candidates(shard, everyone(shard, at + 1), CONFIG)[0].counts
    user = int(np.argmax(counts))
    rows = Instants(np.full(epochs, user, np.int32), at + 1 + np.arange(epochs))
    return decide(shard, rows, policy, CONFIG, score)[0]


@pytest.mark.parametrize("policy", [POLICY, Uniform()], ids=["softmax", "uniform"])
def test_frequencies_of_choices_match_their_propensities(policy):
    drawn = many_draws(policy)
    assert len(np.unique(drawn.candidates)) == 1
    cell = np.stack([drawn.opportunity, drawn.channel, drawn.slot_start], axis=1)
    _, first, of, counts = np.unique(cell, axis=0, return_index=True, return_inverse=True, return_counts=True)
    expected = drawn.propensity[first] * len(drawn)
    assert len(counts) == drawn.candidates[0] > 4
    assert expected.sum() == pytest.approx(len(drawn))
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < len(counts) + 6 * np.sqrt(2 * len(counts))
    # hold is one of them, drawn as often as its propensity says
    held = drawn.message < 0
    assert held.mean() == pytest.approx(drawn.propensity[held][0], abs=6 * 0.5 / np.sqrt(len(drawn)))
    assert (drawn.propensity == drawn.propensity[first][of]).all()


def test_the_share_explored_given_each_choice_is_the_floor_over_its_propensity():
    drawn = many_draws(POLICY, epochs=20_000)
    explored = drawn.reason == Reason.explored
    assert set(np.unique(drawn.reason)) == {Reason.explored, Reason.drawn}
    assert explored.mean() == pytest.approx(POLICY.floor, abs=0.015)
    floor = POLICY.floor / drawn.candidates[0]
    for propensity in np.unique(drawn.propensity):
        chosen = drawn.propensity == propensity
        bound = 6 * 0.5 / np.sqrt(chosen.sum())
        assert explored[chosen].mean() == pytest.approx(floor / propensity, abs=bound)


def test_reasons():
    shard, at = world(3, users=300, transactional=0.2)
    rows = everyone(shard, at)
    drawn, _ = decide(shard, rows, POLICY, CONFIG, score)
    forced = Context(shard, build_candidates(shard, rows, CONFIG)[0]).forced >= 0
    assert ((drawn.reason == Reason.transactional) == forced).all()
    assert ((drawn.reason == Reason.no_candidate) == (drawn.candidates == 1)).all()
    assert drawn.propensity[drawn.candidates == 1] == pytest.approx(1.0)
    assert (drawn.propensity[forced] == 1).all()
    assert shard.messages.transactional[drawn.message[forced]].all()
    assert set(np.unique(drawn.reason)) == {
        Reason.drawn,
        Reason.explored,
        Reason.no_candidate,
        Reason.transactional,
    }


def test_policies_that_do_not_look_need_no_values_and_log_none():
    shard, at = world(5, users=100, transactional=0.0)
    rows = everyone(shard, at)
    held, _ = decide(shard, rows, Hold(), CONFIG)
    assert (held.message == -1).all()
    assert (held.propensity == 1).all()
    assert held.values.shape == (100, 4)
    assert np.isnan(held.values).all()
    constant, _ = decide(shard, rows, Constant(1), CONFIG)
    assert set(np.unique(constant.message)) == {-1, 1}
    assert not (np.isin(constant.reason, [Reason.explored, Reason.transactional])).any()


def test_columns_have_the_types_of_the_schema():
    shard, at = world(5)
    drawn, _ = decide(shard, everyone(shard, at), POLICY, CONFIG, score)
    kinds = {name: column.dtype.name for name, column in drawn_rows(drawn).items()}
    assert kinds == {
        "id": "uint64",
        "message": "int32",
        "channel": "int16",
        "slot_start": "int64",
        "slot_end": "int64",
        "propensity": "float64",
        "candidates": "int32",
        "candidate_set": "uint64",
        "values": "float32",
        "reason": "int8",
    }
    assert drawn.opportunity.dtype == np.int32


def test_no_rows():
    shard, _ = world(5)
    nobody = Instants(np.zeros(0, np.int32), np.zeros(0, np.int64))
    drawn, _ = decide(shard, nobody, POLICY, CONFIG, score)
    assert len(drawn) == 0
    assert drawn.values.shape == (0, 4)
