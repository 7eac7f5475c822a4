"""The rules of thumb: which hour, how many a week, which one first."""

from dataclasses import replace

import numpy as np
import pytest

from decision.worlds import everyone
from homing.decision import Context, build_candidates
from homing.decision.baselines import Rules
from homing.decision.baselines.choice import certain
from homing.decision.baselines.rules import nearness, newest, weekly_sends
from homing.decision.baselines.timeline import Timeline
from homing.schema import Instants, parse_config
from homing.schema.times import DAY, HOUR

from .logs import CONFIG, EPOCH, users_with, with_events, with_past

#: Several slots a day in every channel.
MANY = parse_config(
    CONFIG.model_dump(exclude_unset=True)
    | {"channels": {"push": {}, "email": {}}, "slots": {"starts": ["06:00", "12:00", "23:00"]}}
)


def context_of(shard, config=MANY) -> Context:
    return Context(shard, build_candidates(shard, everyone(shard, EPOCH), config)[0])


def test_a_timeline_answers_as_plain_python_does():
    shard = with_past(users_with(1, 40), 1)
    visits = Timeline.of_events(shard, "session")
    rng = np.random.default_rng(0)
    user = rng.integers(0, 40, 200).astype(np.int32)
    at = EPOCH - rng.integers(-DAY, 16 * DAY, 200)
    own = [visits.at[visits.offsets[one] : visits.offsets[one + 1]] for one in user]
    since = visits.hours_since(user, at)
    after = visits.next_from(user, at)
    for row, times in enumerate(own):
        past, future = times[times < at[row]], times[times >= at[row]]
        assert since[row] == ((at[row] - past[-1]) / HOUR if len(past) else np.inf)
        assert after[row] == (future[0] if len(future) else np.iinfo(np.int64).max)
        days = {
            int((time - at[row] + 5 * DAY) // DAY) for time in times if at[row] - 5 * DAY <= time < at[row]
        }
        assert visits.days(user, at - 5 * DAY, 5)[row] == len(days)
    empty = Timeline.of_events(users_with(1, 40), "session")
    assert np.isinf(empty.hours_since(user, at)).all()
    assert (empty.count(user, at - DAY, at) == 0).all()


def test_the_best_hour_is_local_and_the_earliest_of_several():
    """A user in Kolkata (UTC+5:30) came twice at 12 and twice at 23, once at 6, and often long ago at 6."""
    shard = users_with(0, 3)
    shard = replace(shard, users=replace(shard.users, zone=np.array([1, 0, 0], np.int32)))
    local = EPOCH - DAY - 5 * HOUR - HOUR // 2
    times = [local + 12 * HOUR, local - DAY + 12 * HOUR, local + 23 * HOUR, local - DAY + 23 * HOUR - DAY]
    times += [local + 6 * HOUR] + [EPOCH - 40 * DAY + HOUR // 2] * 9
    shard = with_events(shard, np.zeros(len(times), np.int64), np.array(times))
    shard = with_events(shard, np.array([1]), np.array([EPOCH - DAY + 22 * HOUR]))
    given = context_of(shard)
    near, hour, row = (
        nearness(given, default_hour=7),
        given.candidates.hour_of_week % 24,
        given.candidates.row,
    )
    apart = {0: {6: -6, 12: 0, 23: -11}, 1: {6: -8, 12: -10, 23: -1}, 2: {6: -1, 12: -5, 23: -8}}
    sends = ~given.candidates.is_hold
    assert sends.sum() > 9
    for place in np.flatnonzero(sends):
        assert near[place] == apart[row[place]][hour[place]]


def test_the_newest_goes_out_near_the_best_hour_until_the_week_is_full():
    shard = users_with(5, 60)
    sent = np.repeat(np.arange(60), np.arange(60) % 5)
    shard = with_events(shard, sent, EPOCH - 7 * DAY + 1 + np.arange(len(sent)), "delivered", channel=1)
    shard = with_events(shard, np.arange(60), np.full(60, EPOCH - 7 * DAY), "delivered", channel=1)
    given = context_of(shard)
    assert (weekly_sends(given) == np.arange(60) % 5).all()  # one 7 days ago has left the week
    p, candidates = Rules(weekly_cap=3, default_hour=13).probabilities(given), given.candidates
    created = newest(given)
    for row in range(60):
        own = np.arange(*candidates.offsets[[row, row + 1]])
        chosen = own[p[own] == 1]
        assert len(chosen) == 1
        if row % 5 >= 3:
            assert candidates.is_hold[chosen[0]]
            continue
        assert created[chosen[0]] == created[own[1:]].max()
        assert candidates.hour_of_week[chosen[0]] % 24 == 12
        same = own[(created[own] == created[chosen[0]]) & (candidates.hour_of_week[own] % 24 == 12)]
        assert chosen[0] == same[0]


def test_a_choice_is_the_first_of_the_best_by_all_keys():
    shard = users_with(0, 1)
    given = context_of(shard)
    n = len(given.candidates)
    assert n > 4
    first, second = np.zeros(n), np.zeros(n)
    assert certain(given, first)[0] == 1  # hold wins a tie
    first[2:] = 1
    assert certain(given, first)[2] == 1
    second[3] = 5
    second[0] = 9
    assert certain(given, first, second)[3] == 1
    first[1] = np.nan
    assert certain(given, first, second) == pytest.approx(np.eye(n)[3])


def test_one_epoch_a_row_is_not_needed():
    shard = with_past(users_with(1, 10), 1)
    rows = Instants(np.repeat(np.arange(10, dtype=np.int32), 2), np.tile([EPOCH - DAY, EPOCH], 10))
    candidates, _ = build_candidates(shard, rows, MANY)
    p = Rules().probabilities(Context(shard, candidates))
    today = Rules().probabilities(context_of(shard))
    second = np.flatnonzero(candidates.row % 2 == 1)
    assert (p[second] == today).all()
