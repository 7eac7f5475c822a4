from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.decision import build_candidates, candidate_set_hash
from homing.schema import Instants, parse_config
from homing.schema.times import DAY, HOUR, MISSING
from homing.state import ZoneTable, local_hour_of_week

from .reference import candidates_of
from .worlds import CONFIG, everyone, random_config, with_config, world

seeds = st.integers(0, 10**6)


def keys(candidates, row):
    inside = slice(candidates.offsets[row] + 1, candidates.offsets[row + 1])
    return list(
        zip(
            candidates.opportunity[inside].tolist(),
            candidates.channel[inside].tolist(),
            candidates.slot_start[inside].tolist(),
            strict=True,
        )
    )


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_every_candidate_and_every_reason_agree_with_a_reference_that_asks_one_user_at_a_time(seed):
    shard, at = world(seed)
    agree_with_the_reference(shard, at, CONFIG)


@settings(max_examples=40, deadline=None)
@given(seeds, seeds)
def test_so_they_do_under_rules_of_every_kind(seed, rules):
    shard, at = world(seed, users=4)
    agree_with_the_reference(shard, at, random_config(rules))


def agree_with_the_reference(shard, at, config):
    candidates, exclusions = build_candidates(shard, everyone(shard, at), config)
    counts = Counter()
    for user in range(len(shard.users)):
        kept, removed = candidates_of(shard, user, at, config)
        assert keys(candidates, user) == kept
        counts.update(rule for _, rule in removed)
        expected = {
            (opportunity, channel, MISSING if rule in ("expired", "not_reachable") else start, rule)
            for (opportunity, channel, start), rule in removed
        }
        mine = exclusions.user == user
        found = [
            (opportunity, channel, start, exclusions.rules[rule])
            for opportunity, channel, start, rule in zip(
                exclusions.opportunity[mine].tolist(),
                exclusions.channel[mine].tolist(),
                exclusions.slot_start[mine].tolist(),
                exclusions.rule[mine].tolist(),
                strict=True,
            )
        ]
        assert set(found) == expected
        assert len(found) == len(expected)
    assert dict(zip(exclusions.rules, exclusions.counts.tolist(), strict=True)) == {
        rule: counts[rule] for rule in exclusions.rules
    }


def test_the_worlds_above_break_every_rule():
    total = Counter()
    for seed in range(40):
        shard, at = world(seed)
        _, exclusions = build_candidates(shard, everyone(shard, at), CONFIG)
        total.update(dict(zip(exclusions.rules, exclusions.counts.tolist(), strict=True)))
    assert min(total.values()) > 0
    assert list(total) == [
        "expired",
        "message_not_valid",
        "not_reachable",
        "quiet_hours",
        "before_earliest",
        "after_expiry",
        "cap:push",
        "spacing:email",
        "cap:in_app",
        "cap:total",
        "spacing:total",
    ]


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_replay_of_many_epochs_regenerates_the_set_of_each_plan(seed):
    shard, at = world(seed, users=4)
    epochs = at + np.arange(-9, 4) * 7 * HOUR
    rows = Instants(np.repeat(np.arange(4, dtype=np.int32), len(epochs)), np.tile(epochs, 4))
    replayed, _ = build_candidates(shard, rows, CONFIG)
    hashes = candidate_set_hash(shard, replayed)
    for place, epoch in enumerate(epochs.tolist()):
        planned, _ = build_candidates(shard, everyone(shard, epoch), CONFIG)
        assert (candidate_set_hash(shard, planned) == hashes[place :: len(epochs)]).all()
        for user in range(4):
            assert keys(planned, user) == keys(replayed, user * len(epochs) + place)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_nothing_that_happens_at_or_after_the_epoch_changes_the_set(seed):
    shard, at = world(seed)
    rows = everyone(shard, at)
    before, _ = build_candidates(shard, rows, CONFIG)
    late_consent, late_event = shard.consents.at >= at, shard.events.at >= at
    late_send = shard.decisions.epoch_at >= at
    new = shard.opportunities.created_at > at
    changed = replace(
        shard,
        consents=replace(shard.consents, reachable=shard.consents.reachable ^ late_consent),
        events=replace(shard.events, channel=np.where(late_event, 0, shard.events.channel).astype(np.int16)),
        decisions=replace(
            shard.decisions, slot_start=np.where(late_send, at + HOUR, shard.decisions.slot_start)
        ),
        opportunities=replace(
            shard.opportunities, message=np.where(new, 0, shard.opportunities.message).astype(np.int32)
        ),
    )
    after, _ = build_candidates(changed, rows, CONFIG)
    assert (candidate_set_hash(changed, after) == candidate_set_hash(shard, before)).all()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_row_alone_has_the_candidates_that_it_has_among_others(seed):
    shard, at = world(seed)
    together, _ = build_candidates(shard, everyone(shard, at), CONFIG)
    for user in range(len(shard.users)):
        alone, _ = build_candidates(shard, Instants(np.array([user], np.int32), np.array([at])), CONFIG)
        assert keys(alone, 0) == keys(together, user)


def test_hold_is_first_in_every_row_and_at_the_epoch():
    shard, at = world(11)
    candidates, _ = build_candidates(shard, everyone(shard, at), CONFIG)
    hold = candidates.offsets[:-1]
    assert np.flatnonzero(candidates.is_hold).tolist() == hold.tolist()
    assert (candidates.opportunity[hold] == -1).all()
    assert (candidates.channel[hold] == -1).all()
    assert (candidates.slot_start[hold] == at).all()
    assert (candidates.slot_end[hold] == at).all()
    assert (candidates.counts >= 1).all()


def test_hours_of_the_week_are_local():
    shard, at = world(11, users=40)
    candidates, _ = build_candidates(shard, everyone(shard, at), CONFIG)
    zones = ZoneTable.build(shard.vocabularies.zones.names, at - 3 * DAY, at + 4 * DAY)
    zone = shard.users.zone[candidates.rows.user[candidates.row]]
    assert (candidates.hour_of_week == local_hour_of_week(zone, candidates.slot_start, zones)).all()
    assert (~candidates.is_hold).sum() > 20


@pytest.mark.parametrize("seed", range(5))
def test_transactional_messages_skip_limits_and_quiet_hours_but_never_consent(seed):
    shard, at = world(seed, users=60, transactional=1.0)
    rows = everyone(shard, at)
    candidates, exclusions = build_candidates(shard, rows, CONFIG)
    counts = dict(zip(exclusions.rules, exclusions.counts.tolist(), strict=True))
    assert len(candidates) > len(rows)
    assert counts["not_reachable"] > 0
    assert all(count == 0 for rule, count in counts.items() if rule.startswith(("cap", "spacing", "quiet")))


def test_sends_given_replace_the_ledgers():
    shard, at = world(4, users=60, transactional=0.0)
    rows = everyone(shard, at)
    none = replace(shard.sends(), offsets=np.zeros(61, np.int64), at=np.zeros(0, np.int64))
    free, exclusions = build_candidates(shard, rows, CONFIG, sends=none)
    assert exclusions.counts[6:].sum() == 0
    assert len(free) > len(build_candidates(shard, rows, CONFIG)[0])


def test_a_cap_of_none_removes_all_of_the_channel():
    shard, at = world(4, users=60, transactional=0.0)
    config = with_config(limits={"caps": [{"max": 0, "per": "1d"}]})
    candidates, _ = build_candidates(shard, everyone(shard, at), config)
    assert candidates.is_hold.all()


def test_exclusions_are_sampled_by_user_the_same_ones_at_every_epoch():
    shard, at = world(8, users=400)
    everything = build_candidates(shard, everyone(shard, at), CONFIG)[1]
    config = with_config(exclusions={"share": 0.25})
    one = build_candidates(shard, everyone(shard, at), config)[1]
    assert (one.counts == everything.counts).all()
    assert 0.15 < len(np.unique(one.user)) / len(np.unique(everything.user)) < 0.35
    kept = np.isin(everything.user, one.user)
    assert (everything.slot_start[kept] == one.slot_start).all()
    other = build_candidates(shard, everyone(shard, at + DAY), config)[1]
    later = build_candidates(shard, everyone(shard, at + DAY), CONFIG)[1]
    both = np.intersect1d(everything.user, later.user)
    assert set(np.intersect1d(other.user, both)) == set(np.intersect1d(one.user, both))


def test_no_rows_and_no_opportunities_are_no_error():
    shard, _ = world(8)
    nobody = Instants(np.zeros(0, np.int32), np.zeros(0, np.int64))
    candidates, exclusions = build_candidates(shard, nobody, CONFIG)
    assert len(candidates) == 0
    assert candidates.offsets.tolist() == [0]
    assert exclusions.counts.sum() == 0
    before_all = int(shard.opportunities.created_at.min()) - 1
    candidates, _ = build_candidates(shard, everyone(shard, before_all), CONFIG)
    assert candidates.is_hold.all()


def test_columns_have_the_types_of_the_schema():
    shard, at = world(8)
    candidates, exclusions = build_candidates(shard, everyone(shard, at), parse_config({}))
    assert candidates.opportunity.dtype == candidates.message.dtype == np.int32
    assert candidates.channel.dtype == candidates.hour_of_week.dtype == np.int16
    assert candidates.slot_start.dtype == candidates.slot_end.dtype == candidates.offsets.dtype == np.int64
    assert exclusions.counts.dtype == exclusions.slot_start.dtype == np.int64
    assert exclusions.user.dtype == exclusions.opportunity.dtype == np.int32
    assert exclusions.rule.dtype == exclusions.channel.dtype == np.int16
