"""Events to user states: Homing's fold beside DuckDB and Polars on features of equal meaning.

    python benchmarks/fold.py --events 50000000 --instants 5000000

All get the same events, in memory and sorted by (user, time), one shard of users after another, each
engine in a process of its own. The shared features are, for each event type x channel, counts decayed
with half-lives of 7 and 28 days and the hours since the last event, from events strictly before the
instant. The peers may answer in long form, one row an instant and cell that is not empty, which is less
work than a matrix. Homing writes its whole state (three half-lives, values, rhythm, categories ...), so
it does more. The first shard's answers are compared number by number.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from homing.schema import (
    Config,
    Consents,
    Decisions,
    Events,
    Instants,
    Messages,
    Opportunities,
    Shard,
    Users,
    Vocabularies,
    Vocabulary,
)
from homing.schema.times import DAY, HOUR, MISSING, parse_time
from homing.state import StateLayout, fold

START = parse_time("2026-03-01T00:00Z")
SPAN = 60 * DAY
HALF_LIVES = (7 * DAY, 28 * DAY)
MESSAGES, CATEGORIES = 500, 12
VOCABULARIES = Vocabularies(
    channels=Vocabulary(("push", "email", "in_app")),
    zones=Vocabulary(("Europe/Stockholm", "America/New_York", "Asia/Kathmandu")),
    messages=Vocabulary(tuple(f"m{i}" for i in range(MESSAGES))),
    domains=Vocabulary(("music",)),
    categories=Vocabulary(tuple(f"c{i}" for i in range(CATEGORIES))),
)
#: Share of delivered, bounced, opened, clicked, dismissed, converted, opted_out, opted_in, session.
SHARES = (0.25, 0.01, 0.10, 0.04, 0.02, 0.02, 0.005, 0.005, 0.55)
SESSION = 8
SOURCES = 4

Answer = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # row, cell, 7d, 28d, hours


def make(seed: int, users: int, events: int, instants: int) -> tuple[Shard, Instants]:
    """Return a shard of about `events` events and its instants."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(0, users, events))
    at = START + rng.integers(0, SPAN, events)
    at = at[np.lexsort((at, user))]
    kind = rng.choice(len(SHARES), events, p=SHARES).astype(np.int16)
    channel = np.where(kind == SESSION, -1, rng.integers(0, 3, events)).astype(np.int16)
    message = np.where(kind == SESSION, -1, rng.integers(0, MESSAGES, events)).astype(np.int32)
    ids = rng.integers(0, 2**63, (users, 2)).astype(np.uint64)
    none64, none32, none16 = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int16)
    nobody = np.zeros(users + 1, np.int64)
    shard = Shard(
        vocabularies=VOCABULARIES,
        messages=Messages(
            np.zeros(MESSAGES, np.int32),
            rng.integers(0, CATEGORIES, MESSAGES).astype(np.int32),
            np.ones((MESSAGES, 3), bool),
            np.full(MESSAGES, MISSING),
            np.full(MESSAGES, MISSING),
            np.zeros(MESSAGES, bool),
            np.empty((MESSAGES, 0), np.float32),
            np.empty((MESSAGES, 0), np.int32),
        ),
        users=Users(
            ids,
            rng.integers(0, 3, users).astype(np.int32),
            np.full(users, START),
            np.empty((users, 0), np.float32),
            np.empty((users, 0), np.int32),
        ),
        consents=Consents(nobody, none64, none16, np.empty(0, bool)),
        opportunities=Opportunities(
            nobody,
            np.empty(0, np.uint64),
            none32,
            none32,
            np.empty(0, np.float32),
            none64,
            none64,
            none64,
            np.empty((0, 0), np.float32),
            np.empty((0, 0), np.int32),
        ),
        events=Events(
            np.searchsorted(user, np.arange(users + 1)).astype(np.int64),
            at,
            kind,
            channel,
            message,
            np.full(events, -1, np.int32),
            rng.random(events).astype(np.float32),
        ),
        decisions=Decisions(
            nobody,
            np.empty((0, 2), np.uint64),
            none64,
            none32,
            none32,
            none16,
            none64,
            none64,
            np.empty(0),
            none32,
            np.empty((0, 2), np.uint64),
            np.empty((0, 0), np.float32),
            none32,
            np.empty(0, np.int8),
        ),
    )
    asked = np.sort(rng.integers(0, users, instants)).astype(np.int32)
    when = START + rng.integers(SPAN // 4, SPAN, instants)
    return shard, Instants(asked, when[np.lexsort((when, asked))])


def flat(shard: Shard) -> dict[str, np.ndarray]:
    """Return events as the columns that the peers read: user, at, cell, and forward weights.

    The weights are given to them for nothing; each would spend a power of two an event on them.
    """
    events = shard.events
    source = np.where(events.channel < 0, SOURCES - 1, events.channel)
    age = (events.at - START).astype(float)
    return {
        "who": np.repeat(np.arange(len(shard.users), dtype=np.int32), np.diff(events.offsets)),
        "moment": events.at,
        "cell": (events.type * SOURCES + source).astype(np.int16),
        "w7": np.exp2(age / HALF_LIVES[0]),
        "w28": np.exp2(age / HALF_LIVES[1]),
    }


def questions(instants: Instants) -> dict[str, np.ndarray]:
    return {"row": np.arange(len(instants), dtype=np.int32), "who": instants.user, "moment": instants.at}


def homing(threads: int) -> Callable[[Shard, Instants], tuple[float, Callable[[], Answer]]]:
    layout = StateLayout.from_config(Config.model_validate({"engine": {"threads": threads}}), VOCABULARIES)
    even = np.ones(168, np.float32)
    fold(*_first_call(), layout, even)  # compile, or load what was compiled
    states = None

    def run(shard: Shard, instants: Instants) -> tuple[float, Callable[[], Answer]]:
        nonlocal states
        began = time.perf_counter()
        states = fold(shard, instants, layout, even, into=states)
        took = time.perf_counter() - began

        def answer() -> Answer:
            assert states is not None
            row, cell = np.nonzero(~np.isnan(states.since))
            counts = states.counts.reshape(len(states), -1, len(layout.half_lives))[row, cell]
            return row, cell, counts[:, 1], counts[:, 2], states.since[row, cell]

        return took, answer

    return run


def _first_call() -> tuple[Shard, Instants]:
    return make(0, 10, 50, 10)


def duckdb_with(query: str, threads: int) -> Callable[[Shard, Instants], tuple[float, Callable[[], Answer]]]:
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(config={"threads": threads, "autoinstall_known_extensions": False})

    def run(shard: Shard, instants: Instants) -> tuple[float, Callable[[], Answer]]:
        connection.register("events", pa.table(flat(shard)))
        connection.register("instants", pa.table(questions(instants)))
        began = time.perf_counter()
        result = connection.sql(query).to_arrow_table()
        took = time.perf_counter() - began

        def answer() -> Answer:
            columns = [result.column(name).to_numpy() for name in ("row", "cell", "s7", "s28", "last")]
            return decayed(instants, *columns)

        return took, answer

    return run


DUCKDB_RANGE = """
    SELECT i.row, e.cell, sum(e.w7) AS s7, sum(e.w28) AS s28, max(e.moment) AS last
    FROM instants i JOIN events e ON e.who = i.who AND e.moment < i.moment
    GROUP BY i.row, e.cell
"""
DUCKDB_ASOF = """
    WITH running AS (
        SELECT who, cell, moment, sum(w7) OVER past AS s7, sum(w28) OVER past AS s28
        FROM events WINDOW past AS (PARTITION BY who, cell ORDER BY moment)
    ), cells AS (
        SELECT i.row, i.who, i.moment, c.cell
        FROM instants i JOIN (SELECT DISTINCT who, cell FROM events) c USING (who)
    )
    SELECT c.row, c.cell, r.s7, r.s28, r.moment AS last
    FROM cells c ASOF JOIN running r ON c.who = r.who AND c.cell = r.cell AND c.moment > r.moment
"""


def polars_range(threads: int) -> Callable[[Shard, Instants], tuple[float, Callable[[], Answer]]]:
    return _polars_with(
        lambda pl, events, instants: (
            instants.join(events, on="who", suffix="_event")
            .filter(pl.col("moment_event") < pl.col("moment"))
            .group_by("row", "cell")
            .agg(s7=pl.col("w7").sum(), s28=pl.col("w28").sum(), last=pl.col("moment_event").max())
        ),
        threads,
    )


def polars_asof(threads: int) -> Callable[[Shard, Instants], tuple[float, Callable[[], Answer]]]:
    def query(pl, events, instants):
        running = events.select(
            "who",
            "cell",
            "moment",
            last="moment",
            s7=pl.col("w7").cum_sum().over("who", "cell"),
            s28=pl.col("w28").cum_sum().over("who", "cell"),
        ).sort("moment")
        cells = instants.join(events.select("who", "cell").unique(), on="who").sort("moment")
        return cells.join_asof(
            running, on="moment", by=["who", "cell"], allow_exact_matches=False, check_sortedness=False
        ).drop_nulls("last")

    return _polars_with(query, threads)


def _polars_with(query, threads: int) -> Callable[[Shard, Instants], tuple[float, Callable[[], Answer]]]:
    os.environ["POLARS_MAX_THREADS"] = str(threads)  # read when Polars is imported
    import polars as pl

    def run(shard: Shard, instants: Instants) -> tuple[float, Callable[[], Answer]]:
        events, rows = pl.DataFrame(flat(shard)).lazy(), pl.DataFrame(questions(instants)).lazy()
        began = time.perf_counter()
        result = query(pl, events, rows).collect()
        took = time.perf_counter() - began

        def answer() -> Answer:
            columns = [result[name].to_numpy() for name in ("row", "cell", "s7", "s28", "last")]
            return decayed(instants, *columns)

        return took, answer

    return run


def decayed(instants: Instants, row, cell, s7, s28, last) -> Answer:
    """Return running forward weights as decayed counts, in the order of (row, cell)."""
    order = np.lexsort((cell, row))
    row, cell, s7, s28, last = row[order], cell[order], s7[order], s28[order], last[order]
    age = (instants.at[row] - START).astype(float)
    return (
        row,
        cell,
        s7 * np.exp2(-age / HALF_LIVES[0]),
        s28 * np.exp2(-age / HALF_LIVES[1]),
        (instants.at[row] - last) / HOUR,
    )


ENGINES = {
    "homing": homing,
    "duckdb range join": lambda threads: duckdb_with(DUCKDB_RANGE, threads),
    "duckdb as-of": lambda threads: duckdb_with(DUCKDB_ASOF, threads),
    "polars join": polars_range,
    "polars as-of": polars_asof,
}


def child(engine: str, answer_to: Path, options: argparse.Namespace) -> None:
    """Run one engine over all shards; print what it took, and keep the first shard's answer."""
    events, instants = options.events // options.shards, options.instants // options.shards
    run = ENGINES[engine](options.threads)
    walls, work = [], 0.0
    for seed in range(options.shards):
        inputs = make(seed, options.users // options.shards, events, instants)
        before = time.process_time()
        took, answer = run(*inputs)
        work += time.process_time() - before
        walls.append(took)
        if seed == 0:
            np.savez(answer_to, *answer())
        del answer
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    median = events / statistics.median(walls)
    print(json.dumps({"seconds": sum(walls), "cpu": work, "rate": median, "peak_mb": peak}))


def differences(ours: Path, theirs: Path) -> tuple[int, float]:
    """Return in how many places only one has an answer, and the largest relative difference elsewhere."""
    with np.load(ours) as a, np.load(theirs) as b:
        mine, other = ([file[f"arr_{i}"] for i in range(5)] for file in (a, b))
    keys = [each[0].astype(np.int64) * 1000 + each[1] for each in (mine, other)]
    both, here, there = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    largest = max(
        float(np.max(np.abs(a[here] - b[there]) / np.maximum(np.abs(b[there]), 1e-6)))
        for a, b in zip(mine[2:], other[2:], strict=True)
    )
    return len(keys[0]) + len(keys[1]) - 2 * len(both), largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--instants", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=0, help="default: one for each 50 events")
    parser.add_argument("--shards", type=int, default=0, help="default: one for each 3 million events")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--child", nargs=2, metavar=("ENGINE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.users = options.users or max(1, options.events // 50)
    options.shards = options.shards or max(1, options.events // 3_000_000)
    if options.child:
        child(options.child[0], Path(options.child[1]), options)
        return

    print(
        f"{options.events:,} events to {options.instants:,} instants of {options.users:,} users, "
        f"{options.shards} shards, {options.threads} threads"
    )
    print(f"{'':20}{'seconds':>9}{'CPU s':>9}{'M events/s':>12}{'peak MB':>9}{'times ours':>12}  agreement")
    ours: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for place, engine in enumerate(options.engines):
            file = Path(folder) / f"{place}.npz"
            sizes = [f"--{name}={getattr(options, name)}" for name in ("events", "instants", "users")]
            sizes += [f"--{name}={getattr(options, name)}" for name in ("shards", "threads")]
            command = [sys.executable, __file__, *sizes, "--child", engine, str(file)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            took = json.loads(done.stdout.splitlines()[-1])
            ours = ours or took
            line = f"{engine:20}{took['seconds']:9.2f}{took['cpu']:9.2f}{took['rate'] / 1e6:12.2f}"
            line += f"{took['peak_mb']:9.0f}{took['seconds'] / ours['seconds']:11.1f}x"
            if place:
                missing, largest = differences(Path(folder) / "0.npz", file)
                line += f"  {missing} places differ, largest relative difference {largest:.1e}"
            print(line, flush=True)
    print("M events/s: median over the shards. peak MB: the whole process, input included.")


if __name__ == "__main__":
    main()
