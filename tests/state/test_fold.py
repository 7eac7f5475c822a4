"""The fold against a slow reference written from the definition, and its laws."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import InputError, Instants, Shard
from homing.schema.times import DAY, HOUR, MISSING, parse_time
from homing.state import StateLayout, UserStates, fold, population_rhythm
from state.state_world import (
    START,
    TYPES,
    VOCABULARIES,
    ZONES,
    config,
    cut_events,
    event,
    make_shard,
    random_instants,
    random_shard,
)

LAYOUT = StateLayout.from_config(config(), VOCABULARIES)
EVEN = np.ones(168, np.float32)
COLUMNS = (
    "counts",
    "values",
    "since",
    "rhythm",
    "exposure",
    "response",
    "category_since",
    "reachable",
    "tenure",
    "hour_of_week",
)
seeds = st.integers(0, 2**32 - 1)
laws = settings(max_examples=40, deadline=None)


def at_one(user: int, at: int) -> Instants:
    return Instants(np.array([user], np.int32), np.array([at], np.int64))


def assert_same(ours: UserStates, theirs: UserStates) -> None:
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(ours, column), getattr(theirs, column), err_msg=column)


def local_hour(zone: str, at: int) -> int:
    local = datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(ZoneInfo(zone))
    return local.weekday() * 24 + local.hour


def reference(shard: Shard, user: int, at: int, rhythm: np.ndarray) -> dict[str, np.ndarray]:
    """The state of one user at one instant, straight from the definition."""
    channels, sources, h = len(LAYOUT.channels), len(LAYOUT.sources), LAYOUT.half_lives
    types, categories = len(LAYOUT.event_types), LAYOUT.categories
    state = {
        "counts": np.zeros((types, sources, len(h))),
        "values": np.zeros((types, len(h))),
        "since": np.full((types, sources), np.nan),
        "exposure": np.zeros(categories),
        "response": np.zeros(categories),
        "category_since": np.full(categories, np.nan),
    }
    hours = np.zeros(168)
    said: dict[int, list[tuple[int, bool]]] = {channel: [] for channel in range(channels)}
    events = shard.events
    for row in range(events.offsets[user], events.offsets[user + 1]):
        if events.at[row] >= at:
            continue
        age = int(at - events.at[row])
        kind, channel, message = int(events.type[row]), int(events.channel[row]), int(events.message[row])
        source = channel if channel >= 0 else channels
        for i, half_life in enumerate(h):
            state["counts"][kind, source, i] += 0.5 ** (age / half_life)
            state["values"][kind, i] += 0.5 ** (age / half_life) * float(events.value[row])
        state["since"][kind, source] = np.fmin(state["since"][kind, source], age / HOUR)
        if kind == TYPES["session"]:
            zone = ZONES[shard.users.zone[user]]
            hours[local_hour(zone, int(events.at[row]))] += 0.5 ** (age / LAYOUT.rhythm_half_life)
        if message >= 0:
            category = shard.messages.category[message]
            weight = 0.5 ** (age / LAYOUT.category_half_life)
            if kind == TYPES["delivered"]:
                state["exposure"][category] += weight
                state["category_since"][category] = np.fmin(state["category_since"][category], age / HOUR)
            if kind in (TYPES["opened"], TYPES["clicked"], TYPES["converted"]):
                state["response"][category] += weight
        if kind == TYPES["opted_out"]:
            for each in range(channels) if channel < 0 else [channel]:
                said[each].append((int(events.at[row]), False))
        if kind == TYPES["opted_in"] and channel >= 0:
            said[channel].append((int(events.at[row]), True))
    consents = shard.consents
    for row in range(consents.offsets[user], consents.offsets[user + 1]):
        if consents.at[row] < at:
            said[int(consents.channel[row])].append((int(consents.at[row]), bool(consents.reachable[row])))
    newest = [max(what, key=lambda one: (one[0], not one[1]))[1] if what else -1 for what in said.values()]
    state["reachable"] = np.array([int(one) for one in newest])
    prior = LAYOUT.rhythm_prior
    state["rhythm"] = (hours + prior * rhythm / rhythm.sum()) / (hours.sum() + prior)
    signed_up = int(shard.users.signed_up_at[user])
    state["tenure"] = np.array(np.nan if signed_up == MISSING or signed_up > at else (at - signed_up) / DAY)
    state["hour_of_week"] = np.array(local_hour(ZONES[shard.users.zone[user]], at))
    return state


@laws
@given(seeds)
def test_equals_the_definition(seed: int) -> None:
    shard = random_shard(seed)
    instants = random_instants(seed, shard)
    rhythm = np.random.default_rng(seed).random(168).astype(np.float32)
    states = fold(shard, instants, LAYOUT, rhythm)
    for row in range(len(instants)):
        expected = reference(shard, int(instants.user[row]), int(instants.at[row]), rhythm)
        for column, value in expected.items():
            np.testing.assert_allclose(
                getattr(states, column)[row], value.ravel() if value.ndim else value, rtol=2e-5, atol=1e-6
            )


@laws
@given(seeds, st.integers(-24, 45 * 24))
def test_nothing_at_or_after_an_instant_reaches_it(seed: int, hour: int) -> None:
    shard, at = random_shard(seed), START + hour * HOUR
    instants = Instants(np.arange(len(shard.users), dtype=np.int32), np.full(len(shard.users), at))
    assert_same(fold(shard, instants, LAYOUT, EVEN), fold(cut_events(shard, at), instants, LAYOUT, EVEN))


@laws
@given(seeds)
def test_other_instants_do_not_matter(seed: int) -> None:
    shard = random_shard(seed)
    instants = random_instants(seed, shard)
    together = fold(shard, instants, LAYOUT, EVEN)
    for row in range(len(instants)):
        alone = fold(shard, at_one(int(instants.user[row]), int(instants.at[row])), LAYOUT, EVEN)
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(alone, column)[0], getattr(together, column)[row])


@laws
@given(st.permutations(list(TYPES)), seeds)
def test_order_of_equal_times_does_not_matter(kinds: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [event(START, kind, int(rng.integers(-1, 2)), int(rng.integers(-1, 5))) for kind in kinds]
    shard = make_shard([rows])
    order = rng.permutation(len(rows))
    events = shard.events
    for column in ("type", "channel", "message", "value"):
        getattr(events, column)[:] = getattr(events, column)[order]
    states = fold(shard, at_one(0, START + HOUR), LAYOUT, EVEN)
    assert_same(states, fold(make_shard([rows]), at_one(0, START + HOUR), LAYOUT, EVEN))


def test_one_event_by_hand() -> None:
    shard = make_shard(
        [[event(START, "opened", channel=0, message=1, value=4.0)]], signed_up=[START - 3 * DAY]
    )
    states = fold(shard, at_one(0, START + 7 * DAY), LAYOUT, EVEN)
    place = LAYOUT.count_names.index("opened.push.7d")
    assert states.counts[0, place] == 0.5
    assert states.counts[0, place - 1] == 2**-7
    assert states.counts[0].sum() == pytest.approx(0.5 + 2**-7 + 2**-0.25)
    assert states.values[0, LAYOUT.value_names.index("value.opened.7d")] == 2.0
    assert states.since[0, LAYOUT.since_names.index("since.opened.push")] == 168
    assert np.isnan(states.since[0]).sum() == len(LAYOUT.since_names) - 1
    assert states.response[0, 1] == pytest.approx(2**-0.5)
    assert states.exposure[0].sum() == 0
    assert np.isnan(states.category_since[0]).all()
    assert states.tenure[0] == 10


def test_long_gaps_neither_overflow_nor_disturb() -> None:
    # 30 years are 10,950 of the shortest half-lives: some forty landmarks, and one jump over them.
    times = [START + year * 365 * DAY for year in range(0, 30, 3)]
    shard = make_shard([[event(at, "session") for at in times], [event(times[0], "session")]])
    states = fold(shard, Instants(np.array([0, 1], np.int32), np.full(2, times[-1] + DAY)), LAYOUT, EVEN)
    place = LAYOUT.count_names.index("session.organic.1d")
    assert states.counts[0, place] == 0.5
    assert states.counts[1, place] == 0.0
    assert np.isfinite(states.counts).all()


def test_reachability_takes_the_newest_word_and_refusal_at_a_tie() -> None:
    shard = make_shard(
        [
            [event(START + HOUR, "opted_out", channel=0), event(START + 2 * HOUR, "opted_in", channel=0)],
            [event(START + HOUR, "opted_out")],
            [event(START, "opted_out", channel=1)],
            [event(START, "opted_in")],
        ],
        consents=[[], [(START, 0, True)], [(START, 1, True)], []],
    )
    rows = Instants(np.array([0, 0, 1, 2, 3], np.int32), START + HOUR * np.array([2, 3, 2, 1, 1], np.int64))
    states = fold(shard, rows, LAYOUT, EVEN)
    assert states.reachable.tolist() == [[0, -1], [1, -1], [0, 0], [-1, 0], [-1, -1]]


def test_rhythm_is_the_populations_for_a_new_user_and_ones_own_after_much_activity() -> None:
    monday = parse_time("2026-03-02T18:00Z")
    shard = make_shard([[], [event(monday + i, "session") for i in range(2000)]])
    population = np.zeros(168, np.float32)
    population[5] = 30.0
    states = fold(shard, Instants(np.array([0, 1], np.int32), np.full(2, monday + HOUR)), LAYOUT, population)
    assert states.rhythm[0, 5] == 1.0
    assert states.rhythm[1, 18] == pytest.approx(2000 / 2020, rel=1e-3)
    assert states.rhythm[1, 5] == pytest.approx(20 / 2020, rel=2e-3)


def test_population_rhythm_counts_local_hours_before_an_instant() -> None:
    at = parse_time("2026-03-02T22:30Z")  # Tuesday 04:15 in Kathmandu
    shard = make_shard(
        [[event(at, "session"), event(at + DAY, "session")], [event(at, "opened")]], zones=[2, 0]
    )
    counts = population_rhythm(shard, LAYOUT, at + DAY)
    assert counts[24 + 4] == 1
    assert counts.sum() == 1
    assert population_rhythm(shard, LAYOUT, at).sum() == 0


def test_no_rows_and_users_without_events() -> None:
    shard = make_shard([[], [event(START, "session")]])
    nothing = Instants(np.empty(0, np.int32), np.empty(0, np.int64))
    assert len(fold(shard, nothing, LAYOUT, EVEN)) == 0
    states = fold(shard, at_one(0, START), LAYOUT, EVEN)
    assert states.counts.sum() == 0
    assert np.isnan(states.since).all()
    assert math.isnan(states.tenure[0])


def test_threads_do_not_matter() -> None:
    shard = random_shard(1, users=2000, most=5)
    instants = Instants(np.arange(2000, dtype=np.int32), np.full(2000, START + 30 * DAY))
    one, three = (StateLayout.from_config(config(engine={"threads": n}), VOCABULARIES) for n in (1, 3))
    assert_same(fold(shard, instants, one, EVEN), fold(shard, instants, three, EVEN))


def test_bad_arguments_are_named() -> None:
    shard = make_shard([[], []])
    with pytest.raises(InputError, match="row 1 is before row 0"):
        fold(shard, Instants(np.array([1, 0], np.int32), np.array([START, START])), LAYOUT, EVEN)
    with pytest.raises(InputError, match=r"instants\.user"):
        fold(shard, at_one(2, START), LAYOUT, EVEN)
    with pytest.raises(InputError, match="rhythm"):
        fold(shard, at_one(0, START), LAYOUT, -EVEN)
    wide = make_shard([[event(START, "session")]])
    wide.events.type[:] = 99
    with pytest.raises(InputError, match=r"events\.type"):
        fold(wide, at_one(0, START + HOUR), LAYOUT, EVEN)


def test_layout_names_match_columns() -> None:
    assert LAYOUT.count_names[0] == "delivered.push.1d"
    assert len(LAYOUT.count_names) == 9 * 3 * 3
    assert "since.session.organic" in LAYOUT.since_names
    assert timedelta(microseconds=LAYOUT.half_lives[1]) == timedelta(days=7)


def test_memory_of_earlier_states_is_written_again() -> None:
    shard = random_shard(3)
    many, few = random_instants(1, shard, rows=20), random_instants(2, shard, rows=7)
    first = fold(shard, many, LAYOUT, EVEN)
    second = fold(shard, few, LAYOUT, EVEN, into=first)
    assert np.shares_memory(second.counts, first.counts)
    assert_same(second, fold(shard, few, LAYOUT, EVEN))
    third = fold(shard, many, LAYOUT, EVEN, into=second)
    assert np.shares_memory(third.rhythm, first.rhythm)
    assert_same(third, fold(shard, many, LAYOUT, EVEN))
    more = random_instants(4, shard, rows=30)
    assert_same(fold(shard, more, LAYOUT, EVEN, into=third), fold(shard, more, LAYOUT, EVEN))
