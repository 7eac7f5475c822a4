"""Hillstrom's MineThatData e-mail challenge: 64,000 customers, two e-mails or none, at random."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from homing.schema import InputError
from homing.schema.times import DAY, HOUR, parse_time
from homing.store.columns import TIME
from homing.store.importers.log import ImportSummary, ingest_tables, open_or_create, read_csv

_COLUMNS: Final = {
    "recency": pl.Int64,
    "history_segment": pl.String,
    "history": pl.Float64,
    "mens": pl.Int64,
    "womens": pl.Int64,
    "zip_code": pl.String,
    "newbie": pl.Int64,
    "channel": pl.String,
    "segment": pl.String,
    "visit": pl.Int64,
    "conversion": pl.Int64,
    "spend": pl.Float64,
}
#: segment of the log -> message of the catalogue; None: hold
_ARMS: Final = {"Mens E-Mail": "mens_email", "Womens E-Mail": "womens_email", "No E-Mail": None}

#: The log has no dates. The mailing was published in March 2008.
_EPOCH: Final = parse_time("2008-03-03T00:00Z")
_SLOT_START: Final = _EPOCH + 9 * HOUR
_SLOT_END: Final = _SLOT_START + HOUR
_VISITED: Final = _EPOCH + 2 * DAY

_TOML: Final = """\
# Written by 'homing import hillstrom'. One e-mail slot and no caps: the candidates of every customer are
# the men's e-mail, the women's e-mail and hold, as in the trial.
[workspace]
name = "Hillstrom e-mail challenge"
timezone = "UTC"
partitions = 4

[channels.email]

[slots]
starts = ["09:00"]
length = "1h"
horizon = "1d"

[events]
types = ["visit"]
complete_until = "2008-03-17T00:00Z"

# The utility is revenue. Visits and conversions are predicted, evaluated and reported, but weigh nothing.
[objectives.visits]
event = "visit"
window = "14d"
aggregate = "any"
weight = 0.0

[objectives.conversion]
event = "converted"
window = "14d"
aggregate = "any"
weight = 0.0

[objectives.spend]
event = "converted"
window = "14d"
aggregate = "sum"
weight = 1.0

[training]
split = "user"
test_share = 0.5

[evaluation]
policies = [
  "hold", "uniform", "constant:mens_email", "constant:womens_email",
  "learned", "learned:visits", "greedy", "greedy:visits",
]
"""

_ASSUMED: Final = (
    "the log has no dates: all decisions are put at 2008-03-03T00:00Z, sends into the slot of 09:00 UTC",
    "the log says only that outcomes came within two weeks: visits and purchases are put two days later",
    "propensity 1/3 for each arm, by the published design; shares in the log agree",
    "customers have no ids: the line number is the id, so the same file counts once, in this order only",
    "every customer could be reached by e-mail",
)


def import_hillstrom(workspace_path: Path, csv_path: Path) -> ImportSummary:
    """Import the log into the workspace at `workspace_path`, which is made if it is not there.

    Importing it again adds nothing.

    Raises:
        InputError: the file is missing or is not this log.
        WorkspaceError: the workspace is there, and is configured for something else.
    """
    log = read_csv(csv_path, _COLUMNS)
    unknown = sorted(set(log["segment"].unique()) - set(_ARMS))
    if unknown:
        raise InputError(
            f"{csv_path}: segment == {unknown[0]!r}, must be one of {', '.join(map(repr, _ARMS))}"
        )
    needs = {
        "channels": ("email",),
        "objectives": ("visits", "conversion", "spend"),
        "event types": ("visit",),
    }
    workspace = open_or_create(workspace_path, _TOML, needs)
    tables = _tables(log)
    return ImportSummary(
        source="hillstrom",
        rows={name: len(frame) for name, frame in tables.items()},
        arms={message or "hold": int((log["segment"] == arm).sum()) for arm, message in _ARMS.items()},
        assumed=_ASSUMED,
        ingested=ingest_tables(workspace, tables),
    )


def _tables(log: pl.DataFrame) -> dict[str, pl.DataFrame]:
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6)
    log = log.with_columns(
        user_id="hillstrom-" + number,
        message_id=pl.col("segment").replace_strict(_ARMS, return_dtype=pl.String),
    )
    offered = [message for message in _ARMS.values() if message is not None]
    users = log.select(
        "user_id",
        pl.col("recency").alias("x_recency"),
        pl.col("history").alias("x_history"),
        pl.col("history_segment").alias("x_history_segment"),
        pl.col("mens").alias("x_mens"),
        pl.col("womens").alias("x_womens"),
        pl.col("zip_code").alias("x_zip_code"),
        pl.col("newbie").alias("x_newbie"),
        pl.col("channel").alias("x_purchase_channel"),
    )
    messages = pl.DataFrame(
        {
            "message_id": offered,
            "domain": ["merchandise"] * len(offered),
            "category": [message.removesuffix("_email") for message in offered],
            "channels": [["email"]] * len(offered),
        }
    )
    consents = log.select(
        "user_id",
        pl.lit("email").alias("channel"),
        _instant(_EPOCH - DAY).alias("at"),
        pl.lit(True).alias("reachable"),
        pl.lit("opt_in").alias("reason"),
    )
    opportunities = log.select("user_id").join(messages.select("message_id"), how="cross")
    opportunities = opportunities.select(
        _opportunity_id(),
        "user_id",
        "message_id",
        pl.lit("trial").alias("generator"),
        _instant(_EPOCH - DAY).alias("created_at"),
        _instant(_EPOCH + DAY).alias("expires_at"),
    )
    sent = pl.col("message_id").is_not_null()
    decisions = log.select(
        ("decision-" + pl.col("user_id")).alias("decision_id"),
        pl.lit("trial").alias("release_id"),
        _instant(_EPOCH).alias("epoch_at"),
        "user_id",
        _opportunity_id(),
        "message_id",
        pl.when(sent).then(pl.lit("email")).alias("channel"),
        pl.when(sent).then(_instant(_SLOT_START)).alias("slot_start"),
        pl.when(sent).then(_instant(_SLOT_END)).alias("slot_end"),
        pl.when(sent).then(pl.lit("send")).otherwise(pl.lit("hold")).alias("action"),
        pl.lit(1 / 3).alias("propensity"),
        pl.lit(3, pl.Int64).alias("candidates"),
        pl.lit("imported").alias("reason"),
    )
    return {
        "users": users,
        "messages": messages,
        "consents": consents,
        "opportunities": opportunities,
        "decisions": decisions,
        "events": pl.concat(
            [
                _events(log.filter(pl.col("visit") == 1), "visit", pl.lit(1.0)),
                _events(log.filter(pl.col("conversion") == 1), "converted", pl.col("spend")),
            ]
        ),
    }


def _events(log: pl.DataFrame, kind: str, value: pl.Expr) -> pl.DataFrame:
    """Events name no decision: the trial counts what each customer did, held ones too."""
    return log.select(
        (f"{kind}-" + pl.col("user_id")).alias("event_id"),
        "user_id",
        _instant(_VISITED).alias("at"),
        pl.lit(kind).alias("type"),
        value.alias("value"),
    )


def _opportunity_id() -> pl.Expr:
    return (pl.col("user_id") + "-" + pl.col("message_id")).alias("opportunity_id")


def _instant(at: int) -> pl.Expr:
    return pl.lit(at, pl.Int64).cast(TIME)
