from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import Reason, WorkspaceError
from homing.schema.times import DAY, MISSING
from homing.store.shards import LoadedShard, load_messages, load_shard, time_order

from .tables import Log, Row, md5, random_log, write


def _missing(value: int | None) -> int:
    return MISSING if value is None else value


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _reference_users(log: Log, partition: int) -> list[Row]:
    rows = {row["user_id"]: row for row in log.users}
    mine = [row for name, row in rows.items() if md5(name)[1] % 2 == partition]
    return sorted(mine, key=lambda row: md5(row["user_id"]))


def _by_user(rows: list[Row], users: list[Row], key: Any) -> list[list[Row]]:
    return [sorted((r for r in rows if r["user_id"] == u["user_id"]), key=key) for u in users]


def _flat(groups: list[list[Row]]) -> list[Row]:
    return [row for group in groups for row in group]


def _check_offsets(offsets: np.ndarray, groups: list[list[Row]]) -> None:
    assert offsets.dtype == np.int64
    assert offsets.tolist() == np.cumsum([0, *map(len, groups)]).tolist()


def check_shard(loaded: LoadedShard, log: Log) -> None:
    """Every array against a reading of the rows one by one."""
    shard, partition = loaded.shard, loaded.partition
    names = shard.vocabularies
    users = _reference_users(log, partition)
    assert loaded.ids.users.to_list() == [row["user_id"] for row in users]
    assert [tuple(words) for words in shard.users.hash.tolist()] == [md5(row["user_id"]) for row in users]
    zones = [names.zones.code(row["timezone"] or "Europe/Berlin") for row in users]
    assert shard.users.zone.tolist() == zones
    assert -1 not in zones
    assert shard.users.signed_up_at.tolist() == [_missing(row["signed_up_at"]) for row in users]
    np.testing.assert_array_equal(
        shard.users.numeric, np.array([[_nan(row["x_age"])] for row in users], np.float32).reshape(-1, 1)
    )
    plans = names.categorical["users"]["x_plan"]
    assert shard.users.categorical[:, 0].tolist() == [plans.code(row["x_plan"]) for row in users]

    groups = _by_user(log.consents, users, lambda r: (r["at"], names.channels.code(r["channel"])))
    _check_offsets(shard.consents.offsets, groups)
    assert shard.consents.at.tolist() == [row["at"] for row in _flat(groups)]
    assert shard.consents.channel.tolist() == [names.channels.code(r["channel"]) for r in _flat(groups)]
    assert shard.consents.reachable.tolist() == [row["reachable"] for row in _flat(groups)]

    groups = _by_user(log.opportunities, users, lambda r: md5(r["opportunity_id"])[0])
    opportunities = _flat(groups)
    _check_offsets(shard.opportunities.offsets, groups)
    found = shard.opportunities
    assert loaded.ids.opportunities.to_list() == [row["opportunity_id"] for row in opportunities]
    assert found.hash.tolist() == [md5(row["opportunity_id"])[0] for row in opportunities]
    assert found.message.tolist() == [names.messages.code(r["message_id"]) for r in opportunities]
    assert found.generator.tolist() == [names.generators.code(r["generator"]) for r in opportunities]
    np.testing.assert_array_equal(found.domain_value, [_nan(r["domain_value"]) for r in opportunities])
    assert found.created_at.tolist() == [row["created_at"] for row in opportunities]
    earliest = [row["earliest_at"] or row["created_at"] for row in opportunities]
    assert found.earliest_at.tolist() == earliest
    assert found.expires_at.tolist() == [row["expires_at"] for row in opportunities]
    np.testing.assert_array_equal(found.numeric[:, 0], [_nan(r["x_affinity"]) for r in opportunities])

    groups = _by_user(log.decisions, users, lambda r: (r["epoch_at"], r["decision_id"]))
    decisions = _flat(groups)
    _check_offsets(shard.decisions.offsets, groups)
    _check_decisions(loaded, decisions, [row["opportunity_id"] for row in opportunities])
    _check_events(loaded, log, users, decisions)


def _check_decisions(loaded: LoadedShard, rows: list[Row], opportunities: list[str]) -> None:
    names, found = loaded.shard.vocabularies, loaded.shard.decisions
    assert loaded.ids.decisions.to_list() == [row["decision_id"] for row in rows]
    for place, row in enumerate(rows):
        hexadecimal = not row["decision_id"].startswith("old")
        words = [int(row["decision_id"][i : i + 16], 16) if hexadecimal else 0 for i in (0, 16)]
        assert found.id[place].tolist() == words
        drawn = row["candidate_set"] or bytes(16)
        assert found.candidate_set[place].tolist() == [
            int.from_bytes(drawn[i : i + 8], "big") for i in (0, 8)
        ]
        held = row["opportunity_id"] is None
        assert found.opportunity[place] == (-1 if held else opportunities.index(row["opportunity_id"]))
        assert Reason(found.reason[place]).name == (row["reason"] or "imported")
    assert found.epoch_at.tolist() == [row["epoch_at"] for row in rows]
    assert found.message.tolist() == [names.messages.code(row["message_id"]) for row in rows]
    assert found.channel.tolist() == [names.channels.code(row["channel"]) for row in rows]
    assert found.slot_start.tolist() == [_missing(row["slot_start"]) for row in rows]
    assert found.slot_end.tolist() == [_missing(row["slot_end"]) for row in rows]
    assert found.propensity.tolist() == [row["propensity"] for row in rows]
    assert found.candidates.tolist() == [row["candidates"] or 0 for row in rows]
    assert found.release.tolist() == [names.releases.code(row["release_id"]) for row in rows]
    values = [[_nan(row["value_clicks"]), _nan(row["value_visits"])] for row in rows]
    np.testing.assert_array_equal(found.values, np.array(values, np.float32).reshape(-1, 2))


def _check_events(loaded: LoadedShard, log: Log, users: list[Row], decisions: list[Row]) -> None:
    names, found = loaded.shard.vocabularies, loaded.shard.events

    def coded(row: Row) -> tuple[Any, ...]:
        linked = [
            place
            for place, decision in enumerate(decisions)
            if (decision["decision_id"], decision["user_id"]) == (row["decision_id"], row["user_id"])
        ]
        return (
            row["at"],
            names.event_types.code(row["type"]),
            names.channels.code(row["channel"]),
            names.messages.code(row["message_id"]),
            linked[0] if linked else -1,
            1.0 if row["value"] is None else row["value"],
        )

    groups = _by_user(log.events, users, coded)
    _check_offsets(found.offsets, groups)
    columns = (found.at, found.type, found.channel, found.message, found.decision, found.value)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert rows == [coded(row) for row in _flat(groups)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), users=st.integers(1, 12))
def test_a_shard_says_what_the_rows_say(
    seed: int, users: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = random_log(np.random.default_rng(seed), users)
    workspace = write(tmp_path_factory.mktemp("workspace"), log)
    for partition in range(2):
        check_shard(load_shard(workspace, partition), log)


def test_the_order_and_number_of_commits_do_not_matter(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(7), 10)
    halves = [
        Log(
            log.users, log.messages, log.consents, log.opportunities[::2], log.decisions[::2], log.events[::2]
        ),
        Log([], [], [], log.opportunities[1::2], log.decisions[1::2], log.events[1::2]),
    ]
    workspace = write(tmp_path / "two", *halves)
    for partition in range(2):
        check_shard(load_shard(workspace, partition), log)


def test_the_newest_user_and_message_win(tmp_path: Path) -> None:
    first = random_log(np.random.default_rng(3), 6)
    later = Log(
        users=[
            {"user_id": "user-1", "timezone": "UTC", "x_age": 99.0, "x_plan": "paid", "signed_up_at": None}
        ],
        messages=[{"message_id": "message-1", "domain": "new", "category": "new", "channels": ["email"]}],
    )
    workspace = write(tmp_path / "w", first, later)
    everything = Log(
        first.users + later.users,
        first.messages,
        first.consents,
        first.opportunities,
        first.decisions,
        first.events,
    )
    for partition in range(2):
        check_shard(load_shard(workspace, partition), everything)
    names, messages = workspace.ledger.vocabularies(), load_messages(workspace)
    row = names.messages.code("message-1")
    assert messages.domain[row] == names.domains.code("new")
    assert messages.channels[row].tolist() == [False, True]
    assert np.isnan(messages.numeric[row]).all()


def test_the_catalogue_says_what_the_rows_say(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(11), 3)
    workspace = write(tmp_path / "w", log)
    names, found = workspace.ledger.vocabularies(), load_messages(workspace)
    assert len(found) == 3
    assert names.numeric["messages"] == ("x_taste[0]", "x_taste[1]")
    for row in log.messages:
        code = names.messages.code(row["message_id"])
        assert found.domain[code] == names.domains.code(row["domain"])
        assert found.category[code] == names.categories.code(row["category"])
        assert found.channels[code].tolist() == [c in row["channels"] for c in names.channels.names]
        assert found.valid_from[code] == _missing(row["valid_from"])
        assert found.valid_until[code] == _missing(row["valid_until"])
        assert found.transactional[code] == (row["priority"] == "transactional")
        assert found.numeric[code].tolist() == row["x_taste"]


def test_since_leaves_out_what_is_past(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(5), 12)
    since = 8 * DAY
    workspace = write(tmp_path / "w", log)
    late = Log(
        log.users,
        log.messages,
        log.consents,
        [row for row in log.opportunities if row["expires_at"] >= since],
        [],
        log.events,
    )
    assert 0 < len(late.opportunities) < len(log.opportunities)
    for partition in range(2):
        check_shard(load_shard(workspace, partition, decided_since=since, open_since=since), late)


def test_sends_alone_are_the_sends_of_all_decisions(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w", random_log(np.random.default_rng(5), 40))
    for partition in range(2):
        whole = load_shard(workspace, partition).shard
        part = load_shard(workspace, partition, sends_only=True).shard
        sent = whole.decisions.message >= 0
        assert 0 < sent.sum() < len(sent)
        for column in ("user", "epoch_at", "message", "channel", "slot_start", "id"):
            kept = getattr(whole.decisions, column)[sent]
            np.testing.assert_array_equal(getattr(part.decisions, column), kept)
        assert np.isnan(part.decisions.propensity).all()
        assert (part.decisions.opportunity == -1).all()
        # some deliveries name a hold, which explains none
        named = whole.events.decision[whole.events.decision >= 0]
        assert (whole.decisions.message[named] < 0).any()
        for column in ("offsets", "at", "channel", "known_at"):
            np.testing.assert_array_equal(getattr(part.sends(), column), getattr(whole.sends(), column))


def test_tables_that_are_not_asked_for_are_empty(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w", random_log(np.random.default_rng(5), 12))
    whole = load_shard(workspace, 0).shard
    part = load_shard(workspace, 0, tables=("events",)).shard
    assert len(part.opportunities) == len(part.decisions) == len(part.consents) == 0
    assert part.decisions.values.shape == (0, 2)
    assert part.opportunities.numeric.shape == (0, 1)
    assert len(part.events) == len(whole.events) > 0
    assert (part.events.decision == -1).all()
    assert (whole.events.decision >= 0).any()
    np.testing.assert_array_equal(part.users.hash, whole.users.hash)


def test_a_workspace_without_rows_gives_an_empty_shard(tmp_path: Path) -> None:
    workspace = write(tmp_path / "w")
    loaded = load_shard(workspace, 1)
    assert len(loaded.shard.users) == len(loaded.shard.events) == len(loaded.shard.messages) == 0
    assert loaded.shard.events.offsets.tolist() == [0]
    assert len(loaded.shard.sends()) == 0


def test_rows_of_unknown_users_are_an_error_that_names_one(tmp_path: Path) -> None:
    log = Log(consents=[{"user_id": "ghost", "channel": "push", "at": 0, "reachable": True}])
    workspace = write(tmp_path / "w", log)
    with pytest.raises(WorkspaceError, match=r"'consents'.*1 rows.*'ghost'.*homing doctor"):
        load_shard(workspace, md5("ghost")[1] % 2)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(0, 2), st.floats(0, 1, width=32))
    ),
    scale=st.sampled_from([1, DAY, 2**61]),
)
def test_time_order_is_the_lexicographic_order(rows: list[tuple[int, int, int, float]], scale: int) -> None:
    user = np.array([row[0] for row in rows], np.int32)
    at = np.array([row[1] * scale for row in rows], np.int64)
    ties = pl.DataFrame(
        {"kind": [row[2] for row in rows], "value": [row[3] for row in rows]},
        schema={"kind": pl.Int16, "value": pl.Float32},
    )
    order = time_order(user, at, ties)
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert [rows[place] for place in order] == sorted(rows)
