from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import InputError
from homing.store import readers
from homing.store.columns import TIME
from homing.store.ingest import IngestSummary, ingest
from homing.store.ledger import leftovers
from homing.store.workspace import Workspace

START = datetime(2026, 3, 1, tzinfo=UTC)
Row = dict[str, Any]

USERS: list[Row] = [
    {"user_id": name, "timezone": "Europe/Berlin", "signed_up_at": START} for name in ("u1", "u2", "u3")
]
MESSAGES: list[Row] = [
    {"message_id": name, "domain": "d", "category": "c", "channels": ["push"]} for name in ("m1", "m2")
]
CONSENT: Row = {"user_id": "u1", "channel": "push", "at": START, "reachable": True}
OPPORTUNITY: Row = {
    "opportunity_id": "o1",
    "user_id": "u1",
    "message_id": "m1",
    "generator": "g",
    "created_at": START,
    "earliest_at": START,
    "expires_at": START + timedelta(days=1),
    "domain_value": 0.5,
}
DECISION: Row = {
    "decision_id": "d1",
    "epoch_at": START,
    "user_id": "u1",
    "opportunity_id": "o1",
    "message_id": "m1",
    "channel": "push",
    "slot_start": START,
    "slot_end": START + timedelta(hours=1),
    "action": "send",
    "propensity": 0.5,
    "candidates": 2,
    "candidate_set": bytes(16),
}
EVENT: Row = {
    "event_id": "e1",
    "user_id": "u1",
    "at": START + timedelta(hours=2),
    "type": "opened",
    "value": 1.0,
}
GOOD: dict[str, Row] = {
    "users": USERS[0],
    "messages": {**MESSAGES[0], "valid_from": START, "valid_until": START + timedelta(days=9)},
    "consents": CONSENT,
    "opportunities": OPPORTUNITY,
    "decisions": DECISION,
    "events": {**EVENT, "decision_id": "d1", "message_id": "m1", "channel": "push"},
}


def parquet(folder: Path, table: str, rows: list[Row], name: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name or table}.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with three users, two messages and an opportunity. Not to be changed."""
    folder = tmp_path_factory.mktemp("first")
    made = Workspace.create(folder / "w", "[channels.push]\n[channels.email]\n[workspace]\npartitions = 4\n")
    base = folder / "base"
    ingest(made, [parquet(base, "users", USERS), parquet(base, "messages", MESSAGES)])
    ingest(made, [parquet(base, "opportunities", [OPPORTUNITY])])
    return made.path


@pytest.fixture
def workspace(first: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(first, tmp_path / "w"))


def rows(workspace: Workspace, table: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in workspace.ledger.files(table)], how="diagonal")


def only_reason(summary: IngestSummary) -> str:
    (reason,) = summary.reasons
    assert reason.count == 1
    return reason.reason


BAD = [
    ("users", {"timezone": "Mars/Olympus"}, "timezone: not an IANA time zone"),
    ("users", {"user_id": None}, "user_id: missing"),
    ("users", {"user_id": ""}, "user_id: missing"),
    ("users", {"signed_up_at": datetime(1970, 1, 1, tzinfo=UTC)}, "signed_up_at: before 1990"),
    ("users", {"signed_up_at": datetime(2090, 1, 1, tzinfo=UTC)}, "signed_up_at: in the future"),
    ("users", {"x_age": float("nan")}, "x_age: NaN or infinite"),
    ("messages", {"channels": ["push", "fax"]}, "channels: not a channel of homing.toml"),
    ("messages", {"priority": "urgent"}, "priority: neither normal nor transactional"),
    ("messages", {"valid_until": START}, "valid_until: not after valid_from"),
    ("consents", {"channel": "fax"}, "channel: not a channel of homing.toml"),
    ("consents", {"user_id": "nobody"}, "user_id: unknown user"),
    ("consents", {"at": datetime(2090, 1, 1, tzinfo=UTC)}, "at: in the future"),
    ("consents", {"reachable": None}, "reachable: missing"),
    ("opportunities", {"message_id": "m9"}, "message_id: unknown message"),
    ("opportunities", {"expires_at": START}, "expires_at: not after earliest_at"),
    ("opportunities", {"expires_at": START, "earliest_at": None}, "expires_at: not after created_at"),
    ("opportunities", {"expires_at": datetime(2101, 1, 1, tzinfo=UTC)}, "expires_at: after 2100"),
    ("opportunities", {"domain_value": float("inf")}, "domain_value: NaN or infinite"),
    ("decisions", {"propensity": 0.0}, "propensity: not in (0, 1]"),
    ("decisions", {"propensity": 1.5}, "propensity: not in (0, 1]"),
    ("decisions", {"propensity": float("nan")}, "propensity: NaN or infinite"),
    ("decisions", {"candidates": 0}, "candidates: below 1"),
    ("decisions", {"candidates": 2**31}, "candidates: beyond what 32 bits hold"),
    ("decisions", {"candidates": 1}, "propensity: below 1 with one candidate"),
    ("decisions", {"epoch_at": datetime(2090, 1, 1, tzinfo=UTC)}, "epoch_at: in the future"),
    ("decisions", {"epoch_at": START + timedelta(hours=1)}, "slot_end: not after epoch_at"),
    ("decisions", {"message_id": "m2"}, "message_id: not the one of the opportunity"),
    ("decisions", {}, "another row with the same user_id, epoch_at"),
    ("decisions", {"action": "wait"}, "action: neither send nor hold"),
    ("decisions", {"channel": None}, "send without message, channel or slot"),
    ("decisions", {"action": "hold"}, "hold with an opportunity, message, channel or slot"),
    ("decisions", {"slot_end": START}, "slot_end: not after slot_start"),
    ("decisions", {"candidate_set": b"short"}, "candidate_set: not 16 bytes"),
    ("decisions", {"opportunity_id": "o9"}, "opportunity_id: unknown opportunity of this user"),
    ("decisions", {"user_id": "u2"}, "opportunity_id: unknown opportunity of this user"),
    ("decisions", {"value_clicks": float("inf")}, "value_clicks: NaN or infinite"),
    ("events", {"type": "zap"}, "type: not an event type; declare it in events.types of homing.toml"),
    ("events", {"at": START - timedelta(days=1)}, "at: before the user's sign-up"),
    ("events", {"at": datetime.now(UTC) + timedelta(days=3)}, "at: in the future"),
    ("events", {"user_id": "nobody"}, "user_id: unknown user"),
    ("events", {"message_id": "m9"}, "message_id: unknown message"),
    ("events", {"value": float("-inf")}, "value: NaN or infinite"),
    ("events", {"value": 1e39}, "value: beyond what 32 bits hold, 3.4e38"),
    ("users", {"x_age": -1e39}, "x_age: beyond what 32 bits hold, 3.4e38"),
    ("users", {"timezone": "localtime"}, "timezone: not an IANA time zone"),
]


@pytest.mark.parametrize(("table", "change", "reason"), BAD)
def test_each_bad_row_has_its_reason(
    workspace: Workspace, tmp_path: Path, table: str, change: Row, reason: str
):
    key = next(iter(GOOD[table]))
    fresh = {} if table == "consents" else {key: "new"}
    path = parquet(tmp_path / "in", table, [GOOD[table], {**GOOD[table], **fresh, **change}])
    summary = ingest(workspace, [path])
    assert only_reason(summary) == reason
    assert (summary.tables[table].read, summary.tables[table].quarantined) == (2, 1)
    assert summary.quarantine is not None
    kept = pl.read_parquet(summary.quarantine / f"{table}.parquet")
    assert kept.row(0)[:3] == (reason, str(path), 2)
    shown = json.loads(kept["row"][0])
    assert set(change) <= set(shown)
    assert all(shown[name] is not None for name, value in change.items() if value is not None)
    json.dumps(summary.to_dict())


def test_every_good_row_is_taken(workspace: Workspace, tmp_path: Path):
    folder = tmp_path / "in"
    new = {
        "users": {"user_id": "u9"},
        "messages": {"message_id": "m9"},
        "opportunities": {"opportunity_id": "o9"},
    }
    for table, row in GOOD.items():
        parquet(folder, table, [{**row, **new.get(table, {})}])
    summary = ingest(workspace, [folder])
    assert [(name, t.added, t.quarantined) for name, t in summary.tables.items()] == [
        (name, 1, 0) for name in ("users", "messages", "consents", "opportunities", "decisions", "events")
    ]
    assert summary.quarantine is None
    assert len(workspace.ledger.commits()) == 3
    again = ingest(workspace, [folder])
    assert {(t.added, t.repeated) for t in again.tables.values()} == {(0, 1)}
    assert len(workspace.ledger.commits()) == 3


def test_an_id_counts_once(workspace: Workspace, tmp_path: Path):
    other = {**EVENT, "value": 2.0}
    elsewhere = [{**EVENT, "user_id": user} for user in ("u2", "u3")]
    summary = ingest(workspace, [parquet(tmp_path, "events", [EVENT, EVENT, other, *elsewhere])])
    assert summary.tables["events"].added == 1
    assert summary.tables["events"].repeated == 1
    assert summary.tables["events"].quarantined == 3
    (reason,) = summary.reasons
    assert reason.reason == "another row with the same event_id and different content"
    later = ingest(workspace, [parquet(tmp_path, "events", [*elsewhere, other, EVENT])])
    assert (later.tables["events"].repeated, later.tables["events"].quarantined) == (1, 3)
    assert rows(workspace, "events")["value"].to_list() == [1.0]


def test_a_user_has_one_decision_an_epoch_over_several_ingests(workspace: Workspace, tmp_path: Path):
    decision = GOOD["decisions"]
    first = ingest(workspace, [parquet(tmp_path, "decisions", [decision])])
    assert first.tables["decisions"].added == 1
    second = {**decision, "decision_id": "another"}
    later = ingest(workspace, [parquet(tmp_path, "decisions", [second])])
    assert only_reason(later) == "another row with the same user_id, epoch_at"
    assert rows(workspace, "decisions")["decision_id"].to_list() == [decision["decision_id"]]


def test_a_bad_row_claims_no_id(workspace: Workspace, tmp_path: Path):
    early = {"at": START - timedelta(days=1)}
    claims = [{**EVENT, "user_id": user, **early} for user in ("u2", "u3", "nobody")]
    summary = ingest(workspace, [parquet(tmp_path, "events", [*claims, EVENT])])
    assert (summary.tables["events"].added, summary.tables["events"].quarantined) == (1, 3)
    assert rows(workspace, "events")["user_id"].to_list() == ["u1"]


def test_the_newest_row_of_a_user_is_appended(workspace: Workspace, tmp_path: Path):
    moved = [{**USERS[0], "timezone": zone} for zone in ("Asia/Tokyo", "Asia/Kolkata")]
    summary = ingest(workspace, [parquet(tmp_path, "users", moved)])
    assert (summary.tables["users"].added, summary.tables["users"].repeated) == (1, 1)
    assert rows(workspace, "users").filter(pl.col("user_id") == "u1")["timezone"].to_list() == [
        "Europe/Berlin",
        "Asia/Kolkata",
    ]
    assert ingest(workspace, [parquet(tmp_path, "users", moved)]).tables["users"].added == 0
    back = ingest(workspace, [parquet(tmp_path, "users", USERS)])
    assert (back.tables["users"].added, back.tables["users"].repeated) == (1, 2)


def test_strict_takes_nothing(workspace: Workspace, tmp_path: Path):
    before = workspace.ledger.counts()
    path = parquet(tmp_path, "events", [EVENT, {**EVENT, "event_id": "e2", "type": "zap"}])
    with pytest.raises(
        InputError, match=r"1 bad rows.*\n  events: type: not an event type.*: 1 rows, such as row 2"
    ):
        ingest(workspace, [path], strict=True)
    assert workspace.ledger.counts() == before
    assert list(workspace.quarantine_path.iterdir()) == []
    assert leftovers(workspace.ledger) == []


CSV = (
    b"event_id,user_id,at,type,value\n"
    b"e1,u1,2026-03-02T10:00:00+02:00,opened,1.5\n"
    b"e2,u1,2026-03-02 10:00,opened,\n"
    b'"e\n3",u1,2026-03-02,opened,abc\n'
    b"e4,u1,yesterday,opened,1\n"
    b"e5,u1,2026-03-02T10:00:00Z\n"
    b"e6,u1,2026-03-02T10:00:00Z,opened,1,more\n"
    b"e7\xff,u1,2026-03-02T10:00:00Z,opened,1\n"
    b"\xc3\xa98,u1,2026-03-02T10:00:00.25-0130,opened,1\n"
)
CSV_REASONS = {
    3: "value: not a number",
    4: "at: not a time",
    5: "3 fields, where the header has 5",
    6: "6 fields, where the header has 5",
    7: "event_id: broken UTF-8",
}


@pytest.mark.parametrize("name", ["events.csv", "events_2026-03-01.csv", "events.csv.gz"])
def test_csv(workspace: Workspace, tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(gzip.compress(CSV) if name.endswith("gz") else CSV)
    summary = ingest(workspace, [path])
    assert summary.quarantine is not None
    bad = pl.read_parquet(summary.quarantine / "events.parquet")
    assert dict(bad.select("source_row", "reason").iter_rows()) == CSV_REASONS
    assert "e5,u1" in bad.filter(pl.col("source_row") == 5)["row"][0]
    good = rows(workspace, "events").sort("event_id")
    assert good["event_id"].to_list() == ["e1", "e2", "é8"]
    assert good["at"].to_list() == [
        datetime(2026, 3, 2, 8, tzinfo=UTC),
        datetime(2026, 3, 2, 10, tzinfo=UTC),
        datetime(2026, 3, 2, 11, 30, 0, 250_000, tzinfo=UTC),
    ]
    assert good["value"].to_list() == [1.5, None, 1.0]


NDJSON = (
    b'{"event_id": 1, "user_id": "u1", "at": "2026-03-02T10:00:00Z", "type": "opened", "value": 2}\n'
    b"nonsense\n"
    b"\n"
    b'["a list"]\n'
    b'{"event_id": "b\xff", "user_id": "u1", "at": "2026-03-02", "type": "opened"}\n'
    b'{"user_id": "u1", "at": "2026-03-02", "type": "opened", "value": null}\n'
    b'{"event_id": "l\\u00e4st", "user_id": "u1", "at": "2026-03-02", "type": "opened"}'
)


@pytest.mark.parametrize("name", ["events.ndjson", "events.jsonl.gz"])
def test_ndjson(workspace: Workspace, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readers, "_BLOCK", 100)
    path = tmp_path / name
    path.write_bytes(gzip.compress(NDJSON) if name.endswith("gz") else NDJSON)
    summary = ingest(workspace, [path])
    assert summary.quarantine is not None
    bad = pl.read_parquet(summary.quarantine / "events.parquet")
    assert dict(bad.select("source_row", "reason").iter_rows()) == {
        2: "line is not JSON",
        4: "line is not a JSON object",
        5: "event_id: broken UTF-8",
        6: "event_id: missing",
    }
    assert bad.filter(pl.col("source_row") == 2)["row"][0] == "nonsense"
    assert summary.tables["events"].read == 6
    assert sorted(rows(workspace, "events")["event_id"]) == ["1", "läst"]


def test_text_formats_read_lists_bytes_and_features(workspace: Workspace, tmp_path: Path):
    csv = tmp_path / "messages.csv"
    csv.write_text('message_id,domain,category,channels,x_taste,x_hot\nm8,d,c,push|email,"[0.5, 1]",true\n')
    lines = tmp_path / "decisions.ndjson"
    text = {
        key: value.isoformat() if isinstance(value, datetime) else value for key, value in DECISION.items()
    }
    lines.write_text(json.dumps({**text, "candidate_set": "0f" * 16, "arms": ["a:b", "c:d"]}))
    assert ingest(workspace, [csv, lines]).reasons == ()
    message = rows(workspace, "messages").filter(pl.col("message_id") == "m8")
    assert message["channels"].to_list() == [["push", "email"]]
    assert message["x_taste"].to_list() == [[0.5, 1.0]]
    assert message["x_hot"].to_list() == [1.0]
    assert rows(workspace, "decisions").select("candidate_set", "arms").row(0) == (
        b"\x0f" * 16,
        ["a:b", "c:d"],
    )


@pytest.mark.parametrize("value", ["true", "1.5", "1.0", "[1]", '{"a": 1}'])
def test_ids_in_ndjson_are_strings_or_integers(workspace: Workspace, tmp_path: Path, value: str):
    path = tmp_path / "users.ndjson"
    path.write_text(f'{{"user_id": {value}}}\n{{"user_id": "[1]"}}\n{{"user_id": 12345678901234567890123}}\n')
    summary = ingest(workspace, [path])
    assert only_reason(summary) == "user_id: not a string or integer"
    assert summary.reasons[0].example.source_row == 1
    assert {"[1]", "12345678901234567890123"} < set(rows(workspace, "users")["user_id"])


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("2026-03-02 10:00:00+00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02 10:00:00.5-03", datetime(2026, 3, 2, 13, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-02 10:00:00 UTC", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T10:00+05", datetime(2026, 3, 2, 5, tzinfo=UTC)),
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-03-02 UTC", None),
        ("2026-03-02 10:00:00+0", None),
    ],
)
def test_times_as_databases_write_them(
    workspace: Workspace, tmp_path: Path, text: str, parsed: datetime | None
):
    path = tmp_path / "events.csv"
    path.write_text(f"event_id,user_id,at,type\ne1,u1,{text},opened\n")
    summary = ingest(workspace, [path])
    if parsed is None:
        assert only_reason(summary) == "at: not a time"
    else:
        assert rows(workspace, "events")["at"].to_list() == [parsed]


@pytest.mark.parametrize(
    "at",
    [
        pl.Series([2**62]).cast(pl.Datetime("ms", "UTC")),
        pl.Series([-(2**62)]).cast(pl.Datetime("ms")),
        pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date),
    ],
)
def test_a_time_beyond_every_calendar_is_a_bad_row(workspace: Workspace, tmp_path: Path, at: pl.Series):
    path = tmp_path / "events.parquet"
    pl.DataFrame({"event_id": ["e1"], "user_id": ["u1"], "at": at, "type": ["opened"]}).write_parquet(path)
    summary = ingest(workspace, [path])
    assert only_reason(summary) == "at: not a time"
    assert json.loads(summary.reasons[0].example.row)["at"] == str(at.to_physical()[0])


def test_an_embedding_has_a_number_in_every_place(workspace: Workspace, tmp_path: Path):
    parquet(tmp_path, "users", [{"user_id": "a", "x_e": [1.0, 2.0]}, {"user_id": "b", "x_e": [1.0, None]}])
    assert only_reason(ingest(workspace, [tmp_path / "users.parquet"])) == "x_e: not a list of 2 numbers"
    (tmp_path / "users.csv").write_text('user_id,x_e\nc,"[1, two]"\nd,"[3, 4]"\n')
    summary = ingest(workspace, [tmp_path / "users.csv"])
    assert only_reason(summary) == "x_e: not a list of 2 numbers"
    assert summary.reasons[0].example.source_row == 1


def test_parquet_types(workspace: Workspace, tmp_path: Path):
    path = tmp_path / "users.parquet"
    naive = pl.Series([datetime(2026, 3, 1), datetime(2026, 3, 2)], dtype=pl.Datetime("ms"))
    kinds = pl.DataFrame(
        {"user_id": [2**62, 7], "signed_up_at": naive, "x_pro": [True, None], "x_plan": ["a", "1"]},
        schema_overrides={"x_plan": pl.Categorical},
    )
    kinds.write_parquet(path)
    ingest(workspace, [path])
    taken = rows(workspace, "users").filter(pl.col("x_plan").is_not_null()).sort("user_id")
    assert taken["user_id"].to_list() == [str(2**62), "7"]
    assert taken["signed_up_at"].to_list() == [START, START + timedelta(days=1)]
    assert taken.select("x_pro", "x_plan").rows() == [(1.0, "a"), (None, "1")]
    assert rows(workspace, "users").schema["signed_up_at"] == TIME


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (
            "users",
            {"user_id": ["a"], "time_zone": ["UTC"]},
            r"'time_zone' is not a column of users; did you mean 'timezone'",
        ),
        ("events", {"event_id": ["a"], "x_y": [1]}, "'x_y' is not a column of events"),
        ("messages", {"message_id": ["a"], "domain": ["d"]}, "must have the column 'category'"),
        (
            "users",
            {"user_id": ["a"], "signed_up_at": [1_700_000_000]},
            "signed_up_at is Int64, must be a time; is it",
        ),
        ("users", {"user_id": [1.5]}, "user_id is Float64, must be a string or integer"),
        ("users", {"user_id": ["a"], "x_age": ["old"]}, "x_age is text, but users has it as a number"),
        ("users", {"user_id": ["a"], "x_when": [START]}, "x_when is Datetime"),
        ("users", {"user_id": ["a"], "x_plan[free]": [1]}, r"'x_plan\[free\]' has a '\['"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_error(
    workspace: Workspace, tmp_path: Path, table: str, columns: dict[str, list[Any]], message: str
):
    ingest(workspace, [parquet(tmp_path, "users", [{**USERS[0], "x_age": 3}])])
    before = workspace.ledger.counts()
    path = tmp_path / "in.parquet"
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(InputError, match=message):
        ingest(workspace, [path], table=table)
    assert workspace.ledger.counts() == before
    assert leftovers(workspace.ledger) == []


@pytest.mark.parametrize("name", ["events.parquet", "events.csv.gz", "events.ndjson.gz"])
def test_a_truncated_file_leaves_the_ledger_as_it_was(workspace: Workspace, tmp_path: Path, name: str):
    users = parquet(tmp_path / "in", "users", [{**USERS[0], "user_id": f"new{n}"} for n in range(9)])
    whole = parquet(tmp_path, "events", [{**EVENT, "event_id": f"e{n}"} for n in range(1000)]).read_bytes()
    broken = tmp_path / "in" / name
    broken.write_bytes((gzip.compress(CSV) if name.endswith("gz") else whole)[:-30])
    before = workspace.ledger.counts()
    with pytest.raises(InputError, match=f"{name} cannot be read as .*nothing was ingested"):
        ingest(workspace, [users, broken])
    assert workspace.ledger.counts() == before
    assert list(workspace.quarantine_path.iterdir()) == []
    assert leftovers(workspace.ledger) == []


def test_a_corrupt_page_is_an_error(workspace: Workspace, tmp_path: Path):
    path = parquet(tmp_path, "events", [{**EVENT, "event_id": f"e{n}"} for n in range(1000)])
    data = bytearray(path.read_bytes())
    data[40:400] = bytes(360)
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as parquet"):
        ingest(workspace, [path])


def test_the_table_comes_from_the_name_or_the_folder(workspace: Workspace, tmp_path: Path):
    folder = tmp_path / "in" / "events"
    folder.mkdir(parents=True)
    parquet(folder, "events", [EVENT], "part-0")
    assert list(ingest(workspace, [tmp_path / "in"]).tables) == ["events"]
    odd = parquet(tmp_path / "odd", "events", [EVENT], "evnts")
    with pytest.raises(InputError, match=r"the table is not known from the name.*did you mean 'events'"):
        ingest(workspace, [odd])
    assert ingest(workspace, [odd], table="events").tables["events"].repeated == 1
    with pytest.raises(InputError, match="cannot be ingested"):
        ingest(workspace, [odd], table="exclusions")
    with pytest.raises(InputError, match="does not exist"):
        ingest(workspace, [tmp_path / "nothing"])
    with pytest.raises(InputError, match="nothing to ingest"):
        ingest(workspace, [workspace.runs_path])
    with pytest.raises(InputError, match="format is not known"):
        ingest(workspace, [workspace.path / "homing.toml"])


_EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.sampled_from([None, "e1", "e2", "e3", "e4"]),
            "user_id": st.sampled_from(["u1", "u2", "u3", "nobody"]),
            "at": st.sampled_from([None, START - timedelta(days=1), START + timedelta(hours=1)]),
            "type": st.sampled_from(["opened", "session", "zap"]),
            "value": st.sampled_from([None, 1.0, 2.0, float("nan")]),
        }
    ),
    max_size=12,
)
_SCHEMA = {"event_id": pl.String, "user_id": pl.String, "at": TIME, "type": pl.String, "value": pl.Float64}


@settings(max_examples=15, deadline=None)
@given(first=_EVENTS, second=_EVENTS)
def test_every_row_is_added_repeated_or_quarantined(
    tmp_path_factory: pytest.TempPathFactory, first: list[Row], second: list[Row]
):
    folder = tmp_path_factory.mktemp("conserved")
    workspace = Workspace.create(folder / "w", "[workspace]\npartitions = 2\n")
    ingest(workspace, [parquet(folder, "users", USERS)])
    added = 0
    for given_rows in (first, second):
        path = folder / "events.parquet"
        pl.DataFrame(given_rows, schema=_SCHEMA).write_parquet(path)
        summary = ingest(workspace, [path])
        table = summary.tables["events"]
        assert table.read == len(given_rows)
        assert table.added + table.repeated + table.quarantined == table.read
        assert sum(reason.count for reason in summary.reasons) == table.quarantined
        added += table.added
    assert workspace.ledger.counts()["events"] == added
    if added:
        taken = rows(workspace, "events")
        assert taken["event_id"].is_unique().all()
        good = [row for row in first + second if _is_good(row)]
        assert set(taken["event_id"]) == {row["event_id"] for row in good}


def _is_good(row: Row) -> bool:
    return bool(
        row["event_id"]
        and row["user_id"] != "nobody"
        and row["at"] is not None
        and row["at"] >= START
        and row["type"] != "zap"
        and row["value"] == row["value"]
    )


def test_rows_with_lists_embeddings_and_bytes_repeat(workspace: Workspace, tmp_path: Path):
    vector = pl.Series([[0.5, 1.0]], dtype=pl.List(pl.Float64))
    pl.DataFrame([{**MESSAGES[0], "message_id": "m7"}]).with_columns(x_taste=vector).write_parquet(
        tmp_path / "messages.parquet"
    )
    decisions = parquet(tmp_path, "decisions", [{**DECISION, "arms": ["a:b"], "value_clicks": 0.25}])
    paths = [tmp_path / "messages.parquet", decisions]
    assert {(t.added, t.repeated) for t in ingest(workspace, paths).tables.values()} == {(1, 0)}
    assert {(t.added, t.repeated) for t in ingest(workspace, paths).tables.values()} == {(0, 1)}


def test_a_decision_in_narrower_types_is_the_same_decision(workspace: Workspace, tmp_path: Path):
    path = tmp_path / "decisions.parquet"
    planned = pl.DataFrame([{**DECISION, "value_clicks": 0.1}]).with_columns(
        pl.col("value_clicks").cast(pl.Float32), pl.col("epoch_at", "slot_start", "slot_end").cast(TIME)
    )
    with workspace.ledger.write() as writer:
        writer.add("decisions", planned)
    planned.write_parquet(path)
    assert ingest(workspace, [path]).tables["decisions"].repeated == 1


def test_broken_utf8_in_parquet_is_a_bad_row(workspace: Workspace, tmp_path: Path):
    offsets = pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab\xff\xfe")])
    pq.write_table(pa.table({"user_id": broken}), tmp_path / "users.parquet")
    summary = ingest(workspace, [tmp_path / "users.parquet"])
    assert only_reason(summary) == "user_id: broken UTF-8"
    assert summary.tables["users"].added == 1


@pytest.mark.parametrize(
    ("name", "text"), [("events.ndjson", ""), ("events.csv", "event_id,user_id,at,type\n")]
)
def test_a_file_without_rows_adds_nothing(workspace: Workspace, tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)
    before = len(workspace.ledger.commits())
    table = ingest(workspace, [tmp_path / name]).tables["events"]
    assert (table.read, table.added, table.repeated, table.quarantined) == (0, 0, 0, 0)
    assert len(workspace.ledger.commits()) == before


def test_progress_rises_to_one(workspace: Workspace, tmp_path: Path):
    told: list[tuple[str, float]] = []
    ingest(workspace, [parquet(tmp_path, "events", [EVENT])], progress=lambda *step: told.append(step))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[-1] == ("events", 1.0)


KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from homing.store.quarantine import Quarantine
from homing.store.shuffle import Shuffle
from homing.store.workspace import Workspace

module = importlib.import_module("homing.store.ingest")
owner, name = {"read": (module, "check_rows"), "settle": (Shuffle, "read"), "add": (Quarantine, "publish"),
               "published": (Quarantine, "discard")}[sys.argv[1]]
setattr(owner, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
module.ingest(Workspace.open(Path(sys.argv[2])), [Path(sys.argv[3])])
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["read", "settle", "add", "published"])
def test_a_killed_ingest_can_be_run_again(workspace: Workspace, tmp_path: Path, point: str):
    before = workspace.ledger.counts()
    path = parquet(tmp_path, "events", [EVENT, {**EVENT, "event_id": "e2", "type": "zap"}])
    done = subprocess.run([sys.executable, "-c", KILLED, point, workspace.path, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert workspace.ledger.counts() == before
    summary = ingest(workspace, [path])
    assert (summary.tables["events"].added, summary.tables["events"].quarantined) == (1, 1)
    assert leftovers(workspace.ledger) == []
    assert list(workspace.quarantine_path.glob(".*")) == []


def test_integers_that_a_tool_wrote_as_floats_are_integers(workspace: Workspace, tmp_path: Path):
    path = tmp_path / "decisions.csv"
    rows = "".join(
        f"d{n},{START:%Y-%m-%d},u{n + 1},hold,0.5,{text}\n" for n, text in enumerate(["2", "2.0", "2.5"])
    )
    path.write_text("decision_id,epoch_at,user_id,action,propensity,candidates\n" + rows)
    summary = ingest(workspace, [path])
    assert summary.tables["decisions"].added == 2
    assert [reason.reason for reason in summary.reasons] == ["candidates: not an integer"]


def test_fields_apart_by_semicolons_get_a_hint(workspace: Workspace, tmp_path: Path):
    path = tmp_path / "events.csv"
    path.write_text("event_id;user_id\n1;u1\n")
    with pytest.raises(InputError, match="fields must be separated by commas"):
        ingest(workspace, [path])


def test_a_list_of_categories_is_a_list_of_strings(workspace: Workspace, tmp_path: Path):
    path = tmp_path / "messages.parquet"
    kind = {"channels": pl.List(pl.Categorical)}
    pl.DataFrame([{**MESSAGES[0], "message_id": "m9"}], schema_overrides=kind).write_parquet(path)
    assert ingest(workspace, [path]).tables["messages"].added == 1
