"""Loading a shard: ledger files to sorted arrays of codes, beside the same events by one DuckDB query.

Run: python benchmarks/shards.py [--users 62500] [--commits 1]

The default is one of 16 partitions of a million users, with 3 opportunities, 5 decisions and 30 events each.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from homing.schema.times import DAY
from homing.store import Workspace, load_shard
from homing.store.columns import TIME, from_words

DAYS = 42
_QUERY = """
SELECT u.code AS user, epoch_us(e.at) AS at, list_position($types, e.type) - 1 AS type,
       coalesce(list_position($channels, e.channel), 0) - 1 AS channel, coalesce(m.code, -1) AS message,
       coalesce(d.code, -1) AS decision, coalesce(e.value, 1)::FLOAT AS value
FROM read_parquet($events) e
JOIN (SELECT user_id, row_number() OVER (ORDER BY hash_hi, hash_lo) - 1 AS code FROM read_parquet($users)) u
  USING (user_id)
LEFT JOIN (SELECT unnest($messages) AS message_id, unnest(range(len($messages))) AS code) m USING (message_id)
LEFT JOIN (SELECT decision_id, row_number() OVER (ORDER BY hash_hi, hash_lo, epoch_at) - 1 AS code
           FROM read_parquet($decisions) JOIN read_parquet($users) USING (user_id)) d USING (decision_id)
ORDER BY ALL
"""


def synthetic(path: Path, users: int, commits: int) -> Workspace:
    """Make a workspace of one partition with random rows."""
    rng = np.random.default_rng(0)
    workspace = Workspace.create(path, "[workspace]\npartitions = 1\n")
    user_id = pl.Series([f"user-{number:09d}" for number in rng.permutation(users)])
    message_id = pl.Series([f"message-{number:04d}" for number in range(500)])
    channel = pl.Series(["push", "email", "in_app"])
    kinds = pl.Series(["delivered", "opened", "clicked", "session"])

    def some(names: pl.Series, rows: int) -> pl.Series:
        return names.gather(rng.integers(0, len(names), rows))

    def instants(rows: int, step: int = 1) -> pl.Series:
        return pl.Series(rng.integers(0, DAYS * DAY // step, rows) * step).cast(TIME)

    decided, happened = 5 * users, 30 * users
    decisions = pl.DataFrame(
        {
            "decision_id": from_words(rng.integers(0, 2**64, (decided, 2), np.uint64)).bin.encode("hex"),
            "epoch_at": instants(decided, DAY),
            "user_id": some(user_id, decided),
            "message_id": some(message_id, decided),
            "channel": some(channel, decided),
            "slot_start": instants(decided),
            "slot_end": instants(decided),
            "propensity": rng.uniform(0.1, 1, decided),
        }
    )
    linked = decisions.select("user_id", "decision_id", "message_id", "channel")
    linked = linked[rng.integers(0, decided, happened)]
    organic = rng.random(happened) < 0.4
    for name in ("decision_id", "message_id", "channel"):
        linked = linked.with_columns(pl.when(pl.lit(pl.Series(~organic))).then(pl.col(name)).alias(name))
    events = linked.with_columns(
        at=instants(happened), type=some(kinds, happened), value=pl.Series(rng.random(happened))
    )
    offered = 3 * users
    opportunities = pl.DataFrame(
        {
            "opportunity_id": [f"opportunity-{number:012d}" for number in range(offered)],
            "user_id": some(user_id, offered),
            "message_id": some(message_id, offered),
            "generator": pl.repeat("new", offered, eager=True),
            "created_at": instants(offered),
            "expires_at": instants(offered),
        }
    )
    with workspace.ledger.write() as writer:
        writer.add("users", pl.DataFrame({"user_id": user_id, "signed_up_at": instants(users)}))
        catalogue = {"domain": "music", "category": "new", "channels": channel.to_list()}
        writer.add(
            "messages",
            pl.DataFrame({"message_id": message_id}).with_columns(
                pl.lit(value).alias(name) for name, value in catalogue.items()
            ),
        )
    for commit in range(commits):
        with workspace.ledger.write() as writer:
            for table, rows in (
                ("opportunities", opportunities),
                ("decisions", decisions),
                ("events", events),
            ):
                writer.add(table, rows[commit * len(rows) // commits : (commit + 1) * len(rows) // commits])
    return workspace


def by_duckdb(workspace: Workspace) -> pl.DataFrame:
    """The events of the shard, by one query."""
    ledger, names = workspace.ledger, workspace.ledger.vocabularies()
    files = {table: [str(path) for path in ledger.files(table)] for table in ("users", "decisions", "events")}
    lists = {"types": names.event_types, "channels": names.channels, "messages": names.messages}
    given = {**files, **{name: list(vocabulary.names) for name, vocabulary in lists.items()}}
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        return pl.DataFrame(connection.sql(_QUERY, params=given).to_arrow_table())


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Best wall and CPU seconds of three calls."""
    runs = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=62_500)
    parser.add_argument("--commits", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = synthetic(Path(folder) / "w", options.users, options.commits)
        shard, peer = load_shard(workspace, 0).shard, by_duckdb(workspace)
        assert np.array_equal(shard.events.at, peer["at"].to_numpy()), "ours and DuckDB's events differ"
        whole = seconds(lambda: load_shard(workspace, 0))
        ours = seconds(lambda: load_shard(workspace, 0, tables=("decisions", "events")))
        theirs = seconds(lambda: by_duckdb(workspace))
    tables = (shard.users, shard.opportunities, shard.decisions, shard.events)
    rows = sum(len(table) for table in tables)
    print(
        f"load {os.getloadavg()[0]:.1f}; {options.users:,} users in {options.commits} commits, {rows:,} rows"
    )
    rate = rows / whole[1] / 1e6
    print(
        f"whole shard           {whole[0]:6.2f} s wall {whole[1]:6.2f} s CPU, {rate:.1f}M rows a CPU-second"
    )
    print(f"decisions and events  {ours[0]:6.2f} s wall {ours[1]:6.2f} s CPU")
    print(f"events by DuckDB      {theirs[0]:6.2f} s wall {theirs[1]:6.2f} s CPU")
    print(f"ours / DuckDB         {ours[0] / theirs[0]:6.2f}        {ours[1] / theirs[1]:6.2f}")


if __name__ == "__main__":
    main()
