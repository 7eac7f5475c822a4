import hashlib
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from homing.schema import EVENT_TYPES, InputError
from homing.schema.tables import CONSENTS, EVENTS, MESSAGES, OPPORTUNITIES, USERS, Table
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import DEFAULT_START, Mechanisms, Setup, SimulatedWorld
from homing.simulator.presets.streaming import STREAMING
from homing.simulator.registry import world_spec
from simulator.conftest import WORLDS, Driven, drive, streaming

pytestmark = pytest.mark.slow

FEATURES = {
    "users": {
        "x_plan",
        "x_country",
        "x_device",
        "x_age_band",
        "x_favourite_topic",
        "x_activity",
        "x_family_size",
    },
    "messages": {"x_topic", "x_quality", "x_tone"},
}
SENT = ("user", "at", "type", "channel", "message", "decision", "value")


@pytest.mark.parametrize("name", WORLDS)
def test_same_seed_same_log_and_another_seed_another(name: str) -> None:
    spec = world_spec(name)
    first, again, other = (drive(300, 5, seed=seed, spec=spec).world.tables() for seed in (3, 3, 4))
    for kind, table in first.items():
        for column, values in table.items():
            np.testing.assert_array_equal(values, again[kind][column], err_msg=f"{kind}.{column}")
    assert len(first["events"]["at"]) != len(other["events"]["at"])


def test_order_of_the_sends_does_not_matter() -> None:
    logs = []
    for order in (slice(None), slice(None, None, -1)):
        world = streaming(200, 2, seed=1)
        email = world.vocabularies.channels.code("email")
        user = np.flatnonzero(world.reachable()[:, email])
        message = np.full(len(user), world.vocabularies.messages.code("msg-pod-018"))
        ids = np.column_stack([user, user]).astype(np.uint64)
        slot = np.full(len(user), world.now + 9 * HOUR)
        world.respond(
            0,
            user=user[order],
            message=message[order],
            channel=np.full(len(user), email),
            slot_start=slot,
            slot_end=slot + HOUR,
            decision_id=ids[order],
        )
        logs.append(world.events())
    for column in SENT:
        np.testing.assert_array_equal(logs[0][column], logs[1][column])


@pytest.mark.parametrize("name", WORLDS)
def test_what_happens_to_a_user_does_not_depend_on_what_others_are_sent(name: str) -> None:
    spec = world_spec(name)
    everyone = drive(300, 8, seed=2, rate=1.0, spec=spec).world.events()
    nobody = drive(300, 8, seed=2, rate=0.0, spec=spec).world.events()
    even = drive(300, 8, seed=2, rate=1.0, spec=spec, whom=lambda user: user % 2 == 0).world.events()
    for parity, expected in ((0, everyone), (1, nobody)):
        mine, theirs = even["user"] % 2 == parity, expected["user"] % 2 == parity
        for column in SENT:
            np.testing.assert_array_equal(even[column][mine], expected[column][theirs])


@pytest.mark.parametrize("table", [USERS, CONSENTS, MESSAGES, OPPORTUNITIES, EVENTS], ids=lambda t: t.name)
def test_tables_have_the_columns_of_the_contract(anywhere: Driven, table: Table) -> None:
    columns = anywhere.world.tables()[table.name]
    assert {column.name for column in table.columns} == {c for c in columns if not c.startswith("x_")}
    assert len({len(values) for values in columns.values()}) == 1
    features = {name for name in columns if name.startswith("x_")}
    activity = anywhere.world.vocabularies.numeric["users"][0]
    assert {"x_activity" if name == activity else name for name in features} == FEATURES.get(
        table.name, set()
    )
    keys = np.rec.fromarrays([columns[name] for name in table.key])
    assert len(np.unique(keys)) == len(keys)
    for column in table.columns:
        if column.kind == "timestamp":
            assert columns[column.name].dtype == np.int64
        if column.required and column.kind in ("id", "string"):
            assert (columns[column.name] != "").all()


def test_references_exist_and_times_are_possible(anywhere: Driven) -> None:
    world = anywhere.world
    tables = world.tables()
    users, messages, events = tables["users"], tables["messages"], tables["events"]
    signed_up = dict(zip(users["user_id"].tolist(), users["signed_up_at"].tolist(), strict=True))
    for name in ("consents", "opportunities", "events"):
        assert set(tables[name]["user_id"]) <= signed_up.keys()
    assert set(tables["opportunities"]["message_id"]) <= set(messages["message_id"])
    assert set(events["message_id"]) <= {"", *messages["message_id"]}
    assert set(events["channel"]) == {"", "push", "email", "in_app"}
    assert (events["value"] >= 0).all()
    born = np.array([signed_up[user] for user in events["user_id"].tolist()])
    assert (events["at"] >= born).all()
    assert (events["at"] >= world.start).all() and (events["at"] < world.now).all()
    assert (np.diff(events["at"]) >= 0).all()
    offers = tables["opportunities"]
    born = np.array([signed_up[user] for user in offers["user_id"].tolist()])
    assert (offers["created_at"] >= born).all() and (offers["expires_at"] > offers["created_at"]).all()


def test_events_that_a_message_caused_name_it_and_follow_its_delivery(anywhere: Driven) -> None:
    events = anywhere.world.events()
    caused = events["decision"].any(axis=1)
    np.testing.assert_array_equal(caused, events["message"] >= 0)
    joined = events["type"] == EVENT_TYPES.index("opted_in")
    np.testing.assert_array_equal(caused | joined, events["channel"] >= 0)
    assert {(int(a), int(b)) for a, b in events["decision"][caused]} <= anywhere.decisions

    def times(name: str) -> dict[tuple[int, int], int]:
        rows = anywhere.events(name)
        own = rows["decision"].any(axis=1)
        keys = [(int(a), int(b)) for a, b in rows["decision"][own]]
        assert len(set(keys)) == len(keys), f"{name} twice for one decision"
        return dict(zip(keys, rows["at"][own].tolist(), strict=True))

    for cause, effect in (
        ("delivered", "opened"),
        ("opened", "clicked"),
        ("clicked", "converted"),
        ("delivered", "dismissed"),
        ("delivered", "opted_out"),
        ("opened", "session"),
    ):
        before, after = times(cause), times(effect)
        assert after, effect
        assert all(before[decision] < at for decision, at in after.items())
    assert not times("opened").keys() & times("dismissed").keys()
    assert not times("bounced").keys() & times("delivered").keys()


def test_no_delivery_between_an_opt_out_and_an_opt_in(anywhere: Driven) -> None:
    steps = [anywhere.events(name) for name in ("opted_out", "opted_in", "delivered")]
    assert len(steps[0]["at"])
    rows = sorted(
        (int(user), int(channel), int(at), kind)
        for kind, step in enumerate(steps)
        for user, channel, at in zip(step["user"], step["channel"], step["at"], strict=True)
    )
    pairs = [(a, b) for a, b in pairwise(rows) if a[:2] == b[:2]]
    assert any(b[3] == 0 for _, b in pairs)  # after a delivery
    assert not any(a[3] == 0 and b[3] != 1 for a, b in pairs)  # until an opt-in


def test_opt_outs_and_opt_ins_become_consents(driven: Driven) -> None:
    table = driven.world.tables()["consents"]
    during = table["at"] >= driven.world.start
    reasons = table["reason"][during]
    assert set(reasons) == {"opt_out", "opt_in", "token_lost"}
    np.testing.assert_array_equal(table["reachable"][during], reasons == "opt_in")
    assert (reasons == "opt_out").sum() == len(driven.events("opted_out")["at"])
    newcomers = np.isin(table["at"][during], driven.world.users.signed_up_at)
    assert ((reasons == "opt_in") & ~newcomers).sum() == len(driven.events("opted_in")["at"]) > 10


def test_base_rates_are_within_published_ranges(driven: Driven) -> None:
    assert 0.01 < driven.rate("opened", "push") < 0.05
    assert driven.rate("opened", "in_app") > 3 * driven.rate("opened", "push")
    assert 0.001 < driven.rate("opted_out", "email") < 0.003
    opted_in = streaming(8000, 1).consents()
    push = opted_in.reachable & (opted_in.channel == 0)
    assert 0.45 < push.sum() / 8000 < 0.55
    delay = _open_delays(driven)
    minutes = {name: np.median(delay[name]) / (60 * 1_000_000) for name in ("ios", "android")}
    assert 5 < minutes["ios"] < 10
    assert 35 < minutes["android"] < 62


def _open_delays(driven: Driven) -> dict[str, np.ndarray]:
    opened, delivered = driven.events("opened", "push"), driven.events("delivered", "push")
    sent = {(int(a), int(b)): at for (a, b), at in zip(delivered["decision"], delivered["at"], strict=True)}
    waits = np.array(
        [at - sent[int(a), int(b)] for (a, b), at in zip(opened["decision"], opened["at"], strict=True)]
    )
    device = driven.world.tables()["users"]["x_device"][opened["user"]]
    return {name: waits[device == name] for name in ("ios", "android")}


def test_people_are_believably_active(driven: Driven) -> None:
    sessions = driven.events("session")
    assert 0.5 < len(sessions["at"]) / (8000 * 21) < 1.5
    day = (sessions["at"] - driven.world.start) // DAY
    active = len(np.unique(np.column_stack([sessions["user"], day]), axis=0)) / (8000 * 21)
    assert 0.3 < active < 0.6
    weekly = np.bincount(day // 7)
    assert weekly[-1] > 0.85 * weekly[0]


def test_who_opens_can_be_learned_from_what_is_visible(driven: Driven) -> None:
    world = driven.world
    tables = world.tables()
    topic = world.vocabularies.categorical["users"]["x_favourite_topic"]
    favourite = np.array([topic.code(name) for name in tables["users"]["x_favourite_topic"].tolist()])
    match = {}
    for name in ("delivered", "opened"):
        rows = driven.events(name)
        match[name] = tables["messages"]["x_topic"][rows["message"], favourite[rows["user"]]] > 0.6
    rate = [(match["opened"] == fits).sum() / (match["delivered"] == fits).sum() for fits in (False, True)]
    assert rate[1] > 1.3 * rate[0]


def test_domain_values_are_informative_in_some_domains_only(driven: Driven) -> None:
    world = driven.world
    rows = world.opportunities
    user = np.repeat(np.arange(len(world.users)), np.diff(rows.offsets))
    taste, topics = world._setting.traits.taste, world._setting.catalogue.topics
    relevance = np.einsum("ij,ij->i", taste[user], topics[rows.message])
    found = {}
    for code, name in enumerate(world.vocabularies.generators.names):
        mine = (rows.generator == code) & np.isfinite(rows.domain_value)
        found[name] = np.corrcoef(relevance[mine], rows.domain_value[mine])[0, 1]
    assert found["new_releases_generator"] > 0.8
    assert found["playlists_generator"] > 0.7
    assert abs(found["podcasts_generator"]) < 0.4
    assert abs(found["premium_generator"]) < 0.05
    alive = (rows.created_at < world.start) & (rows.expires_at > world.start)
    assert 2 < alive.sum() / len(world.users) < 4


def test_hashes_are_the_md5_of_the_ids_and_sort_the_opportunities(driven: Driven) -> None:
    world, tables = driven.world, driven.world.tables()
    for row in (0, 4711):
        digest = hashlib.md5(tables["users"]["user_id"][row].encode()).digest()
        assert world.users.hash[row].tolist() == [
            int.from_bytes(digest[:8], "big"),
            int.from_bytes(digest[8:], "big"),
        ]
        digest = hashlib.md5(tables["opportunities"]["opportunity_id"][row].encode()).digest()
        assert world.opportunities.hash[row] == int.from_bytes(digest[:8], "big")
    user = np.repeat(np.arange(len(world.users)), np.diff(world.opportunities.offsets))
    same = user[1:] == user[:-1]
    assert (world.opportunities.hash[1:] > world.opportunities.hash[:-1])[same].all()


def test_codes_agree_with_the_vocabularies(driven: Driven) -> None:
    world = driven.world
    words = world.vocabularies
    assert len(world.messages) == len(words.messages) == 60
    assert len(words.domains) == 5
    assert len(words.zones) >= 15
    assert world.users.zone.max() < len(words.zones)
    assert world.users.numeric.shape[1] == len(words.numeric["users"])
    assert world.messages.numeric.shape[1] == len(words.numeric["messages"])
    for row, values in enumerate(words.categorical["users"].values()):
        assert world.users.categorical[:, row].max() < len(values)
    users = world.tables()["users"]
    assert users["x_plan"][7] == words.categorical["users"]["x_plan"].names[world.users.categorical[7, 0]]
    windows = world.messages.valid_from != MISSING
    assert 0 < windows.sum() < 60
    assert (world.messages.valid_until > world.messages.valid_from)[windows].all()


def test_newcomers_are_reachable_only_from_their_sign_up(driven: Driven) -> None:
    world = streaming(2000, 10, seed=5)
    new = world.users.signed_up_at >= world.start
    assert 0.02 < new.mean() < 0.1
    assert not world.reachable()[new].any()
    assert driven.world.reachable()[driven.world.users.signed_up_at >= driven.world.start].any()


def test_late_opens_rise_when_fatigue_is_off() -> None:
    world = Mechanisms()
    without = replace(world, fatigue=replace(world.fatigue, on=False))
    opens = []
    for mechanisms in (world, without):
        driven = drive(3000, 21, rate=1.0, mechanisms=mechanisms)
        late = driven.world.start + 7 * DAY
        opened, delivered = driven.events("opened")["at"], driven.events("delivered")["at"]
        opens.append((opened >= late).sum() / (delivered >= late).sum())
    assert opens[1] > 1.05 * opens[0]


def test_sending_everything_costs_visits_and_reach_through_annoyance() -> None:
    world = Mechanisms()
    patient = replace(world, annoyance=replace(world.annoyance, on=False))
    days = {}
    for name, mechanisms, rate in (("hold", world, 0.0), ("all", world, 1.0), ("patient", patient, 1.0)):
        sessions = drive(3000, 28, rate=rate, mechanisms=mechanisms).events("session")
        late = sessions["at"] >= DEFAULT_START + 14 * DAY
        days[name] = late.sum()
    assert days["all"] < days["hold"]
    assert days["all"] < days["patient"]


def test_displacement_takes_visits_away() -> None:
    world = Mechanisms()
    off = replace(world, displacement=replace(world.displacement, on=False))
    counts = [len(drive(2000, 7, rate=1.0, mechanisms=m).events("session")["at"]) for m in (world, off)]
    assert counts[0] < counts[1]


def test_memory_grows_linearly_with_users() -> None:
    peaks = []
    for users in (2000, 4000):
        tracemalloc.start()
        drive(users, 3, rate=1.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.3 * peaks[0]


def test_events_of_a_day_are_the_tail_of_all_events(driven: Driven) -> None:
    every, tail = driven.world.events(), driven.world.events(since_day=20)
    assert (tail["at"] >= driven.world.start + 20 * DAY).all()
    assert tail["id"].tolist() == every["id"][-len(tail["id"]) :].tolist()
    np.testing.assert_array_equal(every["id"], np.arange(len(every["id"])))
    assert set(every["type"]) <= set(range(len(EVENT_TYPES)))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"users": 0, "days": 1}, "users == 0"),
        ({"users": 1, "days": 0}, "days == 0"),
        ({"users": 1, "days": 1, "seed": -1}, "seed == -1"),
        ({"users": 1, "days": 1, "start": 5}, "midnight"),
        ({"users": 1, "days": 1, "channels": ("push", "pigeon")}, "pigeon"),
        ({"users": 1, "days": 1, "channels": ()}, "channels"),
    ],
)
def test_impossible_worlds_are_refused(arguments: dict[str, object], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        Setup(**arguments)  # type: ignore[arg-type]


def test_a_world_of_one_channel_and_one_user() -> None:
    world = SimulatedWorld(STREAMING, Setup(1, 2, channels=("email",)))
    none = np.empty(0, np.int64)
    for day in range(2):
        world.respond(
            day,
            user=none,
            message=none,
            channel=none,
            slot_start=none,
            slot_end=none,
            decision_id=np.empty((0, 2), np.uint64),
        )
    assert world.messages.channels.shape == (60, 1) and world.messages.channels.all()
    assert set(world.tables()["events"]["channel"]) <= {""}
