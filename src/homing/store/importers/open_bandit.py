"""Open Bandit Dataset: fashion items shown at random, and by Bernoulli Thompson sampling.

Source: Saito, Aihara, Matsutani, Narita (2021), "Open Bandit Dataset and Pipeline", NeurIPS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from homing.schema import InputError
from homing.schema.times import DAY, HOUR, MINUTE, format_time
from homing.store.columns import TIME
from homing.store.importers.log import ImportSummary, ingest_tables, open_or_create, read_csv

_POLICIES: Final = ("random", "bts")
_CAMPAIGNS: Final = ("men", "women", "all")
_POSITIONS: Final = (1, 2, 3)
_USER_FEATURES: Final = tuple(f"user_feature_{place}" for place in range(4))
_AFFINITY: Final = "user-item_affinity_"
_LOG_COLUMNS: Final = {
    "timestamp": pl.String,
    "item_id": pl.Int64,
    "position": pl.Int64,
    "click": pl.Int64,
    "propensity_score": pl.Float64,
    **dict.fromkeys(_USER_FEATURES, pl.String),
}
_ITEM_COLUMNS: Final = {
    "item_id": pl.Int64,
    "item_feature_0": pl.Float64,
    **{f"item_feature_{place}": pl.String for place in (1, 2, 3)},
}

_TOML: Final = """\
# Written by 'homing import open-bandit'. A slot each hour and a horizon of one hour: the candidates of every
# impression are all items in its one position, and hold.
[workspace]
name = "Open Bandit, {campaign}"
timezone = "Asia/Tokyo"
partitions = 4

[channels.position_1]

[channels.position_2]

[channels.position_3]

[slots]
starts = [
  "00:00", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00",
  "08:00", "09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00",
  "16:00", "17:00", "18:00", "19:00", "20:00", "21:00", "22:00", "23:00",
]
length = "1h"
horizon = "1h"

[objectives.clicks]
event = "clicked"
window = "1d"
aggregate = "any"
scope = "decision"

[events]
complete_until = "{until}"

[training]
split = "user"
"""

_ASSUMED: Final = (
    "hold counts as a candidate, as everywhere in Homing, but both logging policies gave it probability 0: "
    "the log has no held rows, so nothing can be said about the value of hold",
    "the log has no user ids: every impression is a user of its own, reachable in its position only",
    "an impression is put into the hour after its timestamp, a click one minute into that hour",
    "the two folders write item features 1 to 3 with different hashes: those of the first folder are used",
    "times are shown in Asia/Tokyo, where the shop is",
)


def import_open_bandit(workspace_path: Path, folder: Path) -> ImportSummary:
    """Import both logs of one campaign into the workspace at `workspace_path`, made if it is not there.

    Args:
        workspace_path: folder of the workspace.
        folder: holds `random/<campaign>.csv` and `bts/<campaign>.csv`, each with `item_context.csv`; the
            campaign is men, women or all.

    Importing it again adds nothing. Releases `random` and `bts` say which policy drew a decision.

    Raises:
        InputError: a file is missing or is not of this log.
        WorkspaceError: the workspace is there, and is configured for something else.
    """
    campaign = _campaign(folder)
    items = _items(folder)
    logs = {policy: _log(folder / policy / f"{campaign}.csv", policy, items) for policy in _POLICIES}
    needs = {"channels": tuple(f"position_{place}" for place in _POSITIONS), "objectives": ("clicks",)}
    log = pl.concat(logs.values())
    until = format_time(log.select(pl.col("epoch_at").dt.epoch("us").max()).item() + 2 * DAY)
    workspace = open_or_create(workspace_path, _TOML.format(campaign=campaign, until=until), needs)
    tables = _tables(log, items)
    return ImportSummary(
        source=f"open-bandit {campaign}",
        rows={name: len(frame) for name, frame in tables.items()},
        arms={policy: len(frame) for policy, frame in logs.items()},
        assumed=_ASSUMED,
        ingested=ingest_tables(workspace, tables),
    )


def _campaign(folder: Path) -> str:
    found = [name for name in _CAMPAIGNS if (folder / _POLICIES[0] / f"{name}.csv").exists()]
    if len(found) != 1:
        raise InputError(
            f"{folder / _POLICIES[0]} holds {len(found)} campaigns, must hold one; give a folder with "
            f"{' and '.join(_POLICIES)}, each with one of {', '.join(f'{name}.csv' for name in _CAMPAIGNS)}"
        )
    return found[0]


def _items(folder: Path) -> pl.DataFrame:
    items, again = (read_csv(folder / policy / "item_context.csv", _ITEM_COLUMNS) for policy in _POLICIES)
    if not items.select("item_id", "item_feature_0").equals(again.select("item_id", "item_feature_0")):
        raise InputError(f"{folder}: the two item_context.csv describe different items; download them again")
    if items["item_id"].to_list() != list(range(len(items))):
        raise InputError(f"{folder}: item_context.csv must number its items from 0 on")
    return items


def _log(path: Path, policy: str, items: pl.DataFrame) -> pl.DataFrame:
    affinities = {f"{_AFFINITY}{item}": pl.Float64 for item in items["item_id"]}
    log = read_csv(path, {**_LOG_COLUMNS, **affinities})
    epoch = pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", strict=False)
    log = log.with_columns(epoch.dt.convert_time_zone("UTC").cast(TIME).alias("epoch_at"))
    rules = {
        "timestamp": (pl.col("epoch_at").is_null(), "a time such as 2019-11-24 00:03:13.442536+00:00"),
        "item_id": (~pl.col("item_id").is_in(items["item_id"].to_list()), "an item of item_context.csv"),
        "position": (~pl.col("position").is_in(_POSITIONS), "1, 2 or 3"),
        "click": (~pl.col("click").is_in([0, 1]), "0 or 1"),
    }
    for name, (broken, rule) in rules.items():
        bad = log.with_row_index().filter(broken)
        if len(bad):
            raise InputError(
                f"{path}, line {bad['index'][0] + 2}: {name} == {bad[name][0]!r}, must be {rule}"
            )
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(len(str(len(log))))
    return log.with_columns(
        release_id=pl.lit(policy),
        user_id=f"{policy}-" + number,
        message_id=_message_id(pl.col("item_id")),
        channel=pl.format("position_{}", "position"),
    )


def _tables(log: pl.DataFrame, items: pl.DataFrame) -> dict[str, pl.DataFrame]:
    known = pl.col("epoch_at") - pl.duration(microseconds=MINUTE)
    slot = pl.col("epoch_at").dt.truncate("1h") + pl.duration(microseconds=HOUR)
    messages = items.select(
        _message_id(pl.col("item_id")).alias("message_id"),
        pl.lit("fashion").alias("domain"),
        pl.col("item_feature_1").alias("category"),
        pl.lit([f"position_{place}" for place in _POSITIONS]).alias("channels"),
        *(pl.col(f"item_feature_{place}").alias(f"x_item_feature_{place}") for place in range(4)),
    )
    affinity = log.select(
        "user_id", "epoch_at", *(pl.col(f"{_AFFINITY}{item}").alias(str(item)) for item in items["item_id"])
    ).unpivot(index=["user_id", "epoch_at"], variable_name="item_id", value_name="x_affinity")
    opportunities = affinity.with_columns(message_id=_message_id(pl.col("item_id"))).select(
        _opportunity_id(),
        "user_id",
        "message_id",
        pl.lit("shop").alias("generator"),
        known.alias("created_at"),
        (slot + pl.duration(microseconds=HOUR)).alias("expires_at"),
        "x_affinity",
    )
    decision_id = ("decision-" + pl.col("user_id")).alias("decision_id")
    return {
        "users": log.select("user_id", *(pl.col(name).alias(f"x_{name}") for name in _USER_FEATURES)),
        "messages": messages,
        "consents": log.select(
            "user_id",
            "channel",
            known.alias("at"),
            pl.lit(True).alias("reachable"),
            pl.lit("opt_in").alias("reason"),
        ),
        "opportunities": opportunities,
        "decisions": log.select(
            decision_id,
            "release_id",
            "epoch_at",
            "user_id",
            _opportunity_id(),
            "message_id",
            "channel",
            slot.alias("slot_start"),
            (slot + pl.duration(microseconds=HOUR)).alias("slot_end"),
            pl.lit("send").alias("action"),
            pl.col("propensity_score").alias("propensity"),
            pl.lit(len(items) + 1, pl.Int64).alias("candidates"),
            pl.lit("imported").alias("reason"),
        ),
        "events": log.filter(pl.col("click") == 1).select(
            ("click-" + pl.col("user_id")).alias("event_id"),
            "user_id",
            (slot + pl.duration(microseconds=MINUTE)).alias("at"),
            pl.lit("clicked").alias("type"),
            decision_id,
            "message_id",
            "channel",
        ),
    }


def _message_id(item: pl.Expr) -> pl.Expr:
    return "item-" + item.cast(pl.String).str.zfill(2)


def _opportunity_id() -> pl.Expr:
    return (pl.col("user_id") + "-" + pl.col("message_id")).alias("opportunity_id")
