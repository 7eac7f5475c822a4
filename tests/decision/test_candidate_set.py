from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.decision import build_candidates, candidate_set_hash
from homing.schema import Instants

from .worlds import CONFIG, everyone, world


def planned(seed, users=30):
    shard, at = world(seed, users=users)
    return shard, build_candidates(shard, everyone(shard, at), CONFIG)[0]


def test_known_vectors():
    """These never change: a change would make every logged set look different from its replay."""
    shard, candidates = planned(1, users=8)
    shard = replace(
        shard,
        opportunities=replace(
            shard.opportunities, hash=np.arange(len(shard.opportunities), dtype=np.uint64) * np.uint64(7)
        ),
    )
    row = candidates.offsets[:1]
    fixed = replace(
        candidates.pick(np.repeat(row, 3)),
        rows=Instants(np.zeros(1, np.int32), np.zeros(1, np.int64)),
        offsets=np.array([0, 3]),
        opportunity=np.array([-1, 1, 2], np.int32),
        channel=np.array([-1, 0, 2], np.int16),
        slot_start=np.array([0, 3_600_000_000, 7_200_000_000]),
    )
    assert candidate_set_hash(shard, fixed).tolist() == KNOWN


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_candidates_does_not_matter(seed):
    shard, candidates = planned(seed)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(candidates)), candidates.row))
    shuffled = replace(candidates.pick(order), offsets=candidates.offsets)
    assert (candidate_set_hash(shard, shuffled) == candidate_set_hash(shard, candidates)).all()


def test_where_a_load_puts_opportunities_does_not_matter():
    shard, candidates = planned(2)
    n = len(shard.opportunities)
    order = np.random.default_rng(0).permutation(n)
    moved = replace(shard, opportunities=replace(shard.opportunities, hash=shard.opportunities.hash[order]))
    place = np.append(np.argsort(order), -1)  # -1 stays -1
    again = replace(candidates, opportunity=place[candidates.opportunity].astype(np.int32))
    assert (candidate_set_hash(moved, again) == candidate_set_hash(shard, candidates)).all()


def test_every_part_matters():
    shard, candidates = planned(2)
    base = candidate_set_hash(shard, candidates)
    sent = np.flatnonzero(~candidates.is_hold)
    rows = np.unique(candidates.row[sent])
    assert len(rows) > 5

    def touched(**columns):
        other = candidate_set_hash(shard, replace(candidates, **columns))
        return np.flatnonzero((other != base).any(axis=1)).tolist()

    def changed(column, by):
        column = column.copy()
        column[sent] += by
        return column

    assert touched(channel=changed(candidates.channel, 1)) == rows.tolist()
    assert touched(slot_start=changed(candidates.slot_start, 1)) == rows.tolist()
    one = candidates.opportunity.copy()
    one[sent[0]] = (one[sent[0]] + 1) % len(shard.opportunities)
    assert touched(opportunity=one) == [candidates.row[sent[0]]]


def test_sets_that_differ_have_hashes_that_differ():
    hashes, sets = [], []
    for seed in range(20):
        shard, at = world(seed, users=50)
        candidates, _ = build_candidates(shard, everyone(shard, at), CONFIG)
        some = candidates.counts > 1
        hashes.append(candidate_set_hash(shard, candidates)[some])
        sets.append(some.sum())
    assert sum(sets) > 200
    assert len(np.unique(np.concatenate(hashes), axis=0)) == sum(sets)


def test_hold_alone_differs_by_epoch_and_is_not_the_hash_of_nothing_logged():
    shard, _ = world(2, users=1)
    alone = [
        candidate_set_hash(shard, build_candidates(shard, everyone(shard, early), CONFIG)[0])
        for early in (0, 1)
    ]
    assert (alone[0] != alone[1]).any()
    assert (alone[0] != 0).any()


def test_no_rows():
    shard, _ = world(2)
    nobody = Instants(np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert candidate_set_hash(shard, build_candidates(shard, nobody, CONFIG)[0]).shape == (0, 2)


KNOWN = [[2370604376673808822, 9050619724126536846]]
