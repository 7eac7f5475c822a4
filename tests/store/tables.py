"""Random rows of the contract, as lists of dictionaries, and a slow reading of what the codes mean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from homing.schema.tables import TABLES
from homing.schema.times import DAY
from homing.store.columns import TYPES
from homing.store.workspace import Workspace

TOML = """
[workspace]
timezone = "Europe/Berlin"
partitions = 2

[channels.push]
[channels.email]

[events]
types = ["visit"]

[objectives.clicks]
event = "clicked"

[objectives.visits]
event = "visit"
"""

Row = dict[str, Any]


@dataclass
class Log:
    """Rows by table, in the order in which they are added."""

    users: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    opportunities: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)


_FEATURES = {
    "users": {"x_age": pl.Float64, "x_plan": pl.String},
    "messages": {"x_taste": pl.Array(pl.Float32, 2), "x_mood": pl.String},
    "opportunities": {"x_affinity": pl.Float32, "x_kind": pl.String},
}


def frame(table: str, rows: list[Row]) -> pl.DataFrame:
    """Return rows as the ledger takes them."""
    schema: dict[str, Any] = {
        column.name: TYPES[column.kind] for column in TABLES[table].columns if not column.name.endswith("*")
    }
    if table == "decisions":
        schema |= {"value_clicks": pl.Float32, "value_visits": pl.Float32}
    schema |= _FEATURES.get(table, {})
    physical = {name: pl.Int64 if kind == TYPES["timestamp"] else kind for name, kind in schema.items()}
    data = {name: [row.get(name) for row in rows] for name in schema}
    return pl.DataFrame(data, schema=physical).cast(schema)  # type: ignore[arg-type]


def write(path: Path, *logs: Log) -> Workspace:
    """Make a workspace whose ledger has a commit for each log."""
    workspace = Workspace.create(path, TOML)
    for log in logs:
        with workspace.ledger.write() as writer:
            for table in vars(log):
                rows = getattr(log, table)
                if rows:
                    writer.add(table, frame(table, rows))
    return workspace


def md5(text: str) -> tuple[int, int]:
    """Return the MD5 of an id as two big-endian words."""
    digest = hashlib.md5(text.encode()).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def random_log(rng: np.random.Generator, users: int = 12) -> Log:
    """Return rows of every table with ties in time, missing values, and links across users."""

    def pick(options: list[Any]) -> Any:
        return options[int(rng.integers(len(options)))]

    def instant() -> int:
        return int(rng.integers(0, 4)) * DAY

    names = [f"user-{number}" for number in range(users)]
    log = Log()
    for name in names:
        log.users.append(
            {
                "user_id": name,
                "timezone": pick(["Asia/Tokyo", "UTC", None]),
                "signed_up_at": pick([None, instant()]),
                "x_age": pick([None, 30.0, 41.5]),
                "x_plan": pick([None, "free", "paid"]),
            }
        )
        for channel in ("push", "email"):
            for day in range(int(rng.integers(0, 3))):
                log.consents.append(
                    {
                        "user_id": name,
                        "channel": channel,
                        "at": day * DAY,
                        "reachable": bool(rng.random() < 0.5),
                    }
                )
    for number in range(3):
        log.messages.append(
            {
                "message_id": f"message-{number}",
                "domain": pick(["music", "podcasts"]),
                "category": pick(["a", "b"]),
                "channels": pick([["push"], ["email", "push"], []]),
                "valid_from": pick([None, instant()]),
                "valid_until": pick([None, 9 * DAY]),
                "priority": pick([None, "normal", "transactional"]),
                "x_taste": pick([[0.5, 1.0], [2.0, 3.0]]),
                "x_mood": pick([None, "calm"]),
            }
        )
    for number in range(3 * users):
        log.opportunities.append(
            {
                "opportunity_id": f"opportunity-{number}",
                "user_id": pick(names),
                "message_id": f"message-{rng.integers(3)}",
                "generator": pick(["new", "back"]),
                "domain_value": pick([None, 0.25]),
                "created_at": instant(),
                "earliest_at": pick([None, 5 * DAY]),
                "expires_at": instant() + 6 * DAY,
                "x_affinity": pick([None, 1.5]),
                "x_kind": pick(["x", "y"]),
            }
        )
    for name in names:
        own = [row for row in log.opportunities if row["user_id"] == name]
        for day in range(int(rng.integers(0, 4))):
            held = not own or rng.random() < 0.3
            chosen: Row = {} if held else pick(own)
            log.decisions.append(
                {
                    "decision_id": pick([f"old-{name}-{day}", bytes(rng.bytes(16)).hex()]),
                    "release_id": pick(["r1", "r2", None]),
                    "epoch_at": day * DAY,
                    "user_id": name,
                    "opportunity_id": chosen.get("opportunity_id"),
                    "message_id": chosen.get("message_id"),
                    "channel": None if held else pick(["push", "email"]),
                    "slot_start": None if held else day * DAY + 5,
                    "slot_end": None if held else day * DAY + 9,
                    "action": "hold" if held else "send",
                    "propensity": float(rng.random()) + 1e-3,
                    "candidates": pick([None, 4]),
                    "candidate_set": pick([None, bytes(rng.bytes(16))]),
                    "value_clicks": pick([None, 0.125]),
                    "value_visits": pick([None, 0.5]),
                    "reason": pick([None, "drawn", "explored", "imported"]),
                }
            )
    for number in range(8 * users):
        decision = pick([None, *log.decisions])
        organic = decision is None
        log.events.append(
            {
                "event_id": f"event-{number}",
                "user_id": pick(names) if organic or rng.random() < 0.1 else decision["user_id"],
                "at": instant(),
                "type": pick(["clicked", "visit", "session"]),
                "decision_id": pick([None, "unknown"]) if organic else decision["decision_id"],
                "message_id": None if organic else decision["message_id"],
                "channel": None if organic else decision["channel"],
                "value": pick([None, 2.0, 0.5]),
            }
        )
    return log
