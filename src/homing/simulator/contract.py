"""What every world promises, as tests that a world of one's own gets for free.

    class TestLibrary(WorldContract):
        def make(self, setup):
            return Library(setup)

pytest collects the class as it is, and a world that breaks a promise fails the test that names it. Nothing
here needs pytest: every method whose name starts with `test_` can be called by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES, InputError
from homing.schema.tables import INGESTED, Column
from homing.schema.times import DAY, MISSING
from homing.simulator.random_sends import Sends, random_sends
from homing.simulator.setup import PART_USERS, Setup
from homing.simulator.tables import Table
from homing.simulator.world import World

#: What `World.events` returns, without the number in the log: that depends on others' events.
COLUMNS: Final = ("user", "at", "type", "channel", "message", "decision", "value")
_KINDS: Final = {"id": "U", "string": "U", "timestamp": "i", "bool": "b", "float": "f", "list": "O"}


class WorldContract:
    """Tests of a world; override `make`, and where needed how large the worlds are that are tried."""

    users = 300  # so many that some of them are sent something
    days = 6

    def make(self, setup: Setup) -> World:
        """Return the world under test."""
        raise NotImplementedError("override make(setup) to return your world")

    def test_same_setup_same_log(self) -> None:
        """A setup and its sends give one log, however often."""
        first, _ = self._lived()
        again, _ = self._lived()
        _assert_same_tables(first.tables(), again.tables(), "the same setup made two different logs")

    def test_another_seed_another_log(self) -> None:
        """The seed is of all randomness."""
        first, other = self._lived()[0].events(), self._lived(seed=5)[0].events()
        assert not _same_events(first, other), "two seeds made the same events; draw from setup.seed"

    def test_sends_are_answered(self) -> None:
        """Sends have effects, else nothing below says anything."""
        world, sends = self._lived()
        n = sum(len(day) for day in sends)
        assert n > 0, (
            "nobody could be sent anything: users need opportunities that live for some hours, of valid "
            "messages, and channels in which they are reachable"
        )
        caused = world.events()["decision"].any(axis=1)
        assert caused.any(), f"none of {n} sends caused an event; use homing.simulator.log.caused"

    def test_order_of_sends_does_not_matter(self) -> None:
        """A platform may send in any order."""
        logs = [self._lived(order=order)[0].events() for order in (slice(None), slice(None, None, -1))]
        assert _same_events(*logs), "the order of the sends changed the log; use the luck that sends carry"

    def test_what_happens_to_a_user_does_not_depend_on_others_sends(self) -> None:
        """Interference would make every experiment in the world wrong, so there is none."""
        everyone = self._lived()[0].events()
        nobody = self._lived(whom=lambda user: user < 0)[0].events()
        even = self._lived(whom=lambda user: user % 2 == 0)[0].events()
        for parity, alike in ((0, everyone), (1, nobody)):
            mine, theirs = even["user"] % 2 == parity, alike["user"] % 2 == parity
            assert all(np.array_equal(even[name][mine], alike[name][theirs]) for name in COLUMNS), (
                "sends to others changed what happened to a user; draw for all users in their order, and "
                "never only for those who are sent something"
            )

    def test_parts_are_independent(self) -> None:
        """Parts are made and simulated by themselves, by any worker, and are different people."""
        alone = self._lived(first=PART_USERS)[0]
        one, two = (self.make(self._setup(first=first)) for first in (0, PART_USERS))
        for day in range(self.days):
            for world in (one, two):
                random_sends(world, day).to(world, day)
        _assert_same_tables(alone.tables(), two.tables(), "a part changed because another part lived")
        first, second = one.tables(), two.tables()
        _assert_same_tables(
            {"messages": first["messages"]}, {"messages": second["messages"]}, "messages differ by part"
        )
        for table, key in (
            ("users", "user_id"),
            ("opportunities", "opportunity_id"),
            ("events", "event_id"),
        ):
            assert not np.intersect1d(first[table][key], second[table][key]).size, f"parts share a {key}"
        assert not _same_events(one.events(), two.events()), "parts are the same people; use setup.first"

    def test_a_replicate_keeps_the_people_and_changes_their_luck(self) -> None:
        """Rollouts from one start average over luck, not over people."""
        world, other = self.make(self._setup()), self.make(self._setup(replicate=1))
        _assert_same_tables(world.tables(), other.tables(), "a replicate has other people or opportunities")
        for day in range(self.days):
            for each in (world, other):
                random_sends(each, day).to(each, day)
        assert not _same_events(world.events(), other.events()), (
            "a replicate had the same luck; days must draw from setup.luck, not from setup.seed"
        )

    def test_events_are_possible_and_in_order(self) -> None:
        """Events lie in the simulated days, after sign-up, in the order of time, and name what exists."""
        world, sends = self._lived()
        events, words = world.events(), world.vocabularies
        at, user = events["at"].astype(np.int64), events["user"].astype(np.int64)
        assert ((user >= 0) & (user < len(world.users))).all(), "an event names a user who does not exist"
        assert ((at >= world.start) & (at < world.now)).all(), "an event lies outside of the simulated days"
        assert (np.diff(at) >= 0).all(), "events are not in the order of time"
        signed_up = world.users.signed_up_at[user]
        assert (at >= signed_up).all(), "an event lies before its user's sign-up"
        for name, size in (
            ("type", len(EVENT_TYPES)),
            ("channel", len(words.channels)),
            ("message", len(words.messages)),
        ):
            low = 0 if name == "type" else -1
            column = cast("NDArray[np.int64]", events[name])
            assert ((column >= low) & (column < size)).all(), f"an event's {name} is not a known code"
        assert np.isfinite(cast("NDArray[np.float32]", events["value"])).all(), "a value is not a number"
        self._check_causes(events, sends)

    def test_memory_of_the_past_is_not_rewritten(self) -> None:
        """Each day adds to the log, and what was known stays as it was."""
        world = self.make(self._setup())
        before, consents = world.events(), world.consents()
        for day in range(self.days):
            known = len(before["at"])
            random_sends(world, day).to(world, day)
            after, later = world.events(), world.consents()
            assert all(np.array_equal(before[name], after[name][:known]) for name in before), (
                f"day {day} changed events of days before"
            )
            assert (cast("NDArray[np.int64]", after["at"])[known:] >= world.now - DAY).all(), (
                f"day {day} added events of days before"
            )
            assert np.array_equal(after["id"], np.arange(len(after["id"]))), (
                "ids are not the numbers in the log"
            )
            tail = world.events(day)
            assert all(np.array_equal(tail[name], after[name][known:]) for name in after), (
                "events(since_day) is not the tail of events()"
            )
            old, new = _consent_rows(consents), _consent_rows(later)
            assert old <= new, f"day {day} took consents of days before back"
            assert all(at >= world.now - DAY for *_, at, _ in new - old), f"day {day} added old consents"
            before, consents = after, later

    def test_consents_agree_with_events(self) -> None:
        """Opt-outs and opt-ins are events and consents alike, and nobody is reached in between."""
        world, _ = self._lived()
        channels = len(world.vocabularies.channels)
        changes: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        for user, channel, at, reachable in sorted(
            _consent_rows(world.consents()), key=lambda row: (row[0], row[1], row[2])
        ):
            spans = changes.setdefault((user, channel), [])
            assert reachable == (len(spans) % 2 == 0), (
                f"consents of user {user} in channel {channel} do not begin with an opt-in and take turns"
            )
            assert not spans or at > spans[-1][0], "two changes of one user's channel at one time"
            assert at >= world.users.signed_up_at[user], f"user {user} consents before sign-up"
            spans.append((at, reachable))

        def reachable_at(user: int, channel: int, at: int) -> bool:
            return [last for since, last in changes.get((user, channel), []) if since <= at][-1:] == [True]

        events = world.events()
        for user, at, kind, channel in zip(
            *(events[name].tolist() for name in ("user", "at", "type", "channel")), strict=True
        ):
            name = EVENT_TYPES[kind]
            if name in ("opted_out", "opted_in"):
                for each in range(channels) if channel < 0 else (channel,):
                    assert reachable_at(user, each, at) == (name == "opted_in"), (
                        f"user {user} {name} at {at}, and the consents of channel {each} do not say so"
                    )
            elif name == "delivered":
                assert reachable_at(user, channel, at), (
                    f"user {user} got a message through channel {channel} without consent at {at}"
                )
        out = {
            (user, channel, at)
            for user, at, kind, channel in zip(
                *(events[name].tolist() for name in ("user", "at", "type", "channel")), strict=True
            )
            if EVENT_TYPES[kind] == "opted_out"
        }
        table = world.tables()["consents"]
        place = {name: code for code, name in enumerate(world.tables()["users"]["user_id"].tolist())}
        for name, channel_name, at, reason in zip(
            *(table[key].tolist() for key in ("user_id", "channel", "at", "reason")), strict=True
        ):
            code = world.vocabularies.channels.code(channel_name)
            if reason == "opt_out" and at >= world.start:
                assert {(place[name], code, at), (place[name], -1, at)} & out, (
                    f"{name} opted out of {channel_name} at {at}, and no event opted_out says so"
                )

    def test_who_is_reachable_can_be_sent_to(self) -> None:
        """`reachable` and `consents` say the same before each day, and the world takes those sends."""
        world = self.make(self._setup())
        for day in range(self.days):
            known = np.zeros((len(world.users), len(world.vocabularies.channels)), np.bool_)
            for user, channel, _, reachable in sorted(
                _consent_rows(world.consents()), key=lambda row: (row[0], row[1], row[2])
            ):
                known[user, channel] = reachable
            assert np.array_equal(known, world.reachable()), f"reachable() before day {day} is not consents()"
            random_sends(world, day).to(world, day)

    def test_references_exist(self) -> None:
        """Ids, hashes and codes agree with each other."""
        world = self.make(self._setup())
        words, tables = world.vocabularies, world.tables()
        users, messages, offers = world.users, world.messages, world.opportunities
        assert len(users) == self.users, f"{len(users)} users, the setup asks for {self.users}"
        assert words.channels.names == self._setup().channels, (
            "channels are not those of the setup, in its order"
        )
        assert len(messages) == len(words.messages), "there are not as many messages as names of messages"
        assert messages.channels.shape == (len(messages), len(words.channels)), (
            "messages.channels has another shape"
        )
        for noun, ids, hashes in (
            ("user", tables["users"]["user_id"], users.hash[:, 0]),
            ("opportunity", tables["opportunities"]["opportunity_id"], offers.hash),
        ):
            assert len(set(ids.tolist())) == len(ids), f"a {noun} id comes twice"
            expected = [_md5(name) for name in ids.tolist()]
            assert np.array_equal(np.array(expected, np.uint64), hashes), (
                f"a {noun}'s hash is not the MD5 of its id"
            )
        owner = np.repeat(np.arange(len(users)), np.diff(offers.offsets))
        assert len(offers.offsets) == len(users) + 1 and offers.offsets[-1] == len(offers), (
            "offsets are wrong"
        )
        same = owner[1:] == owner[:-1]
        assert (offers.hash[1:] > offers.hash[:-1])[same].all(), "opportunities are not sorted by hash"
        codes = (
            (users.zone, words.zones, "zone"),
            (messages.domain, words.domains, "domain"),
            (messages.category, words.categories, "category"),
            (offers.message, words.messages, "message"),
            (offers.generator, words.generators, "generator"),
        )
        for column, names, noun in codes:
            assert ((column >= 0) & (column < len(names))).all(), f"a {noun} is not a known code"
        assert (offers.created_at >= users.signed_up_at[owner]).all(), "an opportunity comes before sign-up"
        assert (offers.earliest_at >= offers.created_at).all(), "earliest_at lies before created_at"
        assert (offers.expires_at > offers.earliest_at).all(), "an opportunity expires before it may be sent"
        for table, rows in (("users", users), ("messages", messages), ("opportunities", offers)):
            assert rows.numeric.shape == (len(rows), len(words.numeric.get(table, ()))), f"{table}.numeric"
            values = list(words.categorical.get(table, {}).values())
            assert rows.categorical.shape == (len(rows), len(values)), f"{table}.categorical"
            for column, known in zip(rows.categorical.T, values, strict=True):
                assert ((column >= -1) & (column < len(known))).all(), (
                    f"a feature of {table} is no known code"
                )

    def test_tables_match_the_data_contract(self) -> None:
        """What the world writes can be ingested: columns, types, keys and references."""
        tables = self._lived()[0].tables()
        for contract in INGESTED:
            if contract.name == "decisions":
                continue
            columns = tables[contract.name]
            own = {name for name in columns if not name.startswith("x_")}
            expected = {column.name for column in contract.columns}
            assert own == expected, f"{contract.name} has columns {sorted(own)}, must have {sorted(expected)}"
            assert contract.features or own == set(columns), f"{contract.name} takes no features"
            assert len({len(values) for values in columns.values()}) == 1, f"{contract.name} is ragged"
            keys = list(zip(*(columns[name].tolist() for name in contract.key), strict=True))
            assert len(set(keys)) == len(keys), f"{contract.name} has a key twice"
            for column in contract.columns:
                _check_column(contract.name, column, columns[column.name])
        users, messages = (set(tables[name][f"{name[:-1]}_id"].tolist()) for name in ("users", "messages"))
        for name in ("consents", "opportunities", "events"):
            assert set(tables[name]["user_id"].tolist()) <= users, f"{name} names a user who is not in users"
        for name in ("opportunities", "events"):
            found = set(tables[name]["message_id"].tolist()) - {""}
            assert found <= messages, f"{name} names a message that is not in messages"

    def test_illegal_sends_are_refused_and_nothing_happens(self) -> None:
        """A send that no platform may make is an error, and the world goes on as if it had not been asked."""
        asked, undisturbed = self.make(self._setup()), self.make(self._setup())
        for day in range(self.days):
            sends = random_sends(asked, day)
            for what, illegal in _illegal(asked, sends).items():
                try:
                    illegal.to(asked, day)
                except InputError:
                    pass
                else:
                    raise AssertionError(f"the world took {what}; leave the checks of World.respond in place")
            for wrong in (day - 1, day + 1):
                try:
                    sends.to(asked, wrong)
                except InputError:
                    pass
                else:
                    raise AssertionError(f"the world lived day {wrong} when day {day} was next")
            sends.to(asked, day)
            sends.to(undisturbed, day)
            assert asked.now == undisturbed.now == asked.start + (day + 1) * DAY, "a day is not a day long"
        _assert_same_tables(asked.tables(), undisturbed.tables(), "a refused send left a trace")
        try:
            random_sends(asked, self.days).take([]).to(asked, self.days)
        except InputError:
            return
        raise AssertionError("the world lived longer than its setup says")

    def test_any_channels_and_sizes(self) -> None:
        """A world is made for the channels it is given, in their order, and may be small."""
        for setup in (
            replace(self._setup(), channels=self._setup().channels[::-1]),
            replace(self._setup(), channels=self._setup().channels[:1]),
            Setup(users=1, days=1),
        ):
            world = self.make(setup)
            assert world.vocabularies.channels.names == setup.channels, f"channels == {setup.channels}"
            random_sends(world, 0).to(world, 0)
            world.tables()

    def _setup(self, seed: int = 3, first: int = 0, replicate: int = 0) -> Setup:
        return Setup(self.users, self.days, seed, first=first, replicate=replicate)

    def _lived(
        self,
        seed: int = 3,
        first: int = 0,
        whom: Callable[[NDArray[np.int32]], NDArray[np.bool_]] | None = None,
        order: slice = slice(None),
    ) -> tuple[World, list[Sends]]:
        """Return a world after its days, and what was sent on each."""
        world, log = self.make(self._setup(seed, first)), []
        for day in range(self.days):
            sends = random_sends(world, day)
            if whom is not None:
                sends = sends.take(whom(sends.user))
            sends = sends.take(order)
            sends.to(world, day)
            log.append(sends)
        return world, log

    @staticmethod
    def _check_causes(events: dict[str, NDArray[np.generic]], sends: list[Sends]) -> None:
        """Assert that events which name a decision name one that was sent, to that user, before it."""
        sent = {
            (int(high), int(low)): (int(user), int(message), int(channel), int(start))
            for day in sends
            for (high, low), user, message, channel, start in zip(
                day.decision_id, day.user, day.message, day.channel, day.slot_start, strict=True
            )
        }
        caused = events["decision"].any(axis=1)
        assert np.array_equal(caused, events["message"] != -1), (
            "an event names a decision without its message"
        )
        for row in np.flatnonzero(caused).tolist():
            high, low = events["decision"][row].tolist()
            known = sent.get((high, low))
            assert known is not None, "an event names a decision that was never sent"
            found = tuple(int(events[name].item(row)) for name in ("user", "message", "channel"))
            assert found == known[:3], "an event names another user, message or channel than its decision"
            assert int(events["at"].item(row)) >= known[3], "an event lies before the slot of its decision"


def _illegal(world: World, sends: Sends) -> dict[str, Sends]:
    """Return sends that break a rule each, by what is wrong with them."""
    if not len(sends):
        return {}
    one, messages, reachable = sends.take(slice(0, 1)), world.messages, world.reachable()
    broken = {
        "two sends to a user": sends.take([0, 0]),
        "a user code below 0": replace(one, user=np.array([-1], np.int32)),
        "a user code too high": replace(one, user=np.array([len(world.users)], np.int32)),
        "a message that is not there": replace(one, message=np.array([len(messages)], np.int32)),
        "a channel that is not there": replace(one, channel=np.array([messages.channels.shape[1]], np.int16)),
        "a slot before the day": replace(one, slot_start=np.array([world.now - 1])),
        "a slot two days later": replace(
            one, slot_start=np.array([world.now + 2 * DAY]), slot_end=np.array([world.now + 3 * DAY])
        ),
        "an empty slot": replace(one, slot_end=one.slot_start),
        "columns of different lengths": replace(one, slot_end=np.empty(0, np.int64)),
    }
    wrong = np.flatnonzero(~messages.channels[one.message[0]])
    if len(wrong):
        name = "a message in a channel that it was not made for"
        broken[name] = replace(one, channel=wrong[:1].astype(np.int16))
    away = np.flatnonzero(~reachable[:, one.channel[0]])
    if len(away):
        broken["a send to somebody who is not reachable"] = replace(one, user=away[:1].astype(np.int32))
    start, until = one.slot_start[0], messages.valid_until
    over = np.flatnonzero(
        messages.channels[:, one.channel[0]]
        & ((messages.valid_from > start) | ((until != MISSING) & (until <= start)))
    )
    if len(over):
        broken["a message that is not valid"] = replace(one, message=over[:1].astype(np.int32))
    return broken


def _same_events(one: dict[str, NDArray[np.generic]], other: dict[str, NDArray[np.generic]]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in COLUMNS)


def _assert_same_tables(one: dict[str, Table], other: dict[str, Table], what: str) -> None:
    assert one.keys() == other.keys(), what
    for table, columns in one.items():
        assert columns.keys() == other[table].keys(), f"{what}: columns of {table}"
        for name, values in columns.items():
            numbers = values.dtype.kind == "f"
            same = np.array_equal(values, other[table][name], equal_nan=numbers)
            assert same, f"{what}: {table}.{name}"


def _consent_rows(consents: Any) -> set[tuple[int, int, int, bool]]:
    """Return consents as (user, channel, at, reachable)."""
    user = np.repeat(np.arange(len(consents.offsets) - 1), np.diff(consents.offsets))
    columns = (user, consents.channel, consents.at, consents.reachable)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def _check_column(table: str, column: Column, values: NDArray[Any]) -> None:
    kind = _KINDS[column.kind]
    assert values.dtype.kind == kind, (
        f"{table}.{column.name} has dtype {values.dtype}, must be of kind {kind!r}"
    )
    if not column.required:
        return
    empty = {"U": values == "", "i": values == MISSING}.get(kind)
    assert empty is None or not empty.any(), f"{table}.{column.name} is empty in a row"


def _md5(text: str) -> int:
    return int.from_bytes(hashlib.md5(text.encode("ascii"), usedforsecurity=False).digest()[:8], "big")
