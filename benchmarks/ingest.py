"""Ingest of event rows from Parquet: rows and bytes a second, and the peak of memory.

`python benchmarks/ingest.py --rows 20000000`: all rows at once, then one day's 100,000 more, then one of the
files again. With `--peer`, the row rules of events by dataframely on the
same files beside it (in an environment that has it: pip install dataframely).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

ROWS_A_FILE = 2_500_000
ROWS_A_DAY = 100_000
TYPES = ["delivered", "opened", "clicked", "session", "converted"]


def make(folder: Path, rows: int, users: int, seed: int = 0) -> None:
    """Write users, messages and events of the contract; one event in a thousand is bad."""
    rng = np.random.default_rng(seed)
    start = 1_767_225_600_000_000
    names = pl.select(pl.format("user-{}", pl.int_range(users).cast(pl.String).str.zfill(8)).alias("u"))["u"]
    catalogue = pl.select(pl.format("message-{}", pl.int_range(200)).alias("m"))["m"]
    pl.DataFrame(
        {
            "user_id": names,
            "timezone": np.array(["Europe/Berlin", "America/New_York", "Asia/Kolkata"])[np.arange(users) % 3],
            "signed_up_at": pl.Series(np.full(users, start - 10**12)).cast(pl.Datetime("us", "UTC")),
            "x_plan": np.array(["free", "pro"])[np.arange(users) % 2],
        }
    ).write_parquet(folder / "users.parquet")
    pl.DataFrame(
        {
            "message_id": catalogue,
            "domain": ["music"] * 200,
            "category": ["release"] * 200,
            "channels": [["push", "email"]] * 200,
        }
    ).write_parquet(folder / "messages.parquet")
    files = [
        (f"events_{first // ROWS_A_FILE:03d}", first, min(ROWS_A_FILE, rows - first))
        for first in range(0, rows, ROWS_A_FILE)
    ]
    for name, first, count in [*files, ("day", rows, ROWS_A_DAY)]:
        kind = rng.integers(0, len(TYPES), count)
        messages = catalogue.gather(rng.integers(0, 200, count))
        value = rng.random(count)
        value[rng.random(count) < 0.001] = np.inf
        pl.DataFrame(
            {
                "event_id": pl.select(pl.format("event-{}", pl.int_range(first, first + count)))["literal"],
                "user_id": names.gather(rng.integers(0, users, count)),
                "at": pl.Series(start + rng.integers(0, 42 * 86_400_000_000, count)).cast(
                    pl.Datetime("us", "UTC")
                ),
                "type": pl.Series(TYPES).gather(kind),
                "message_id": messages.set(pl.Series(kind >= 3), None),
                "channel": pl.Series(["push", "email", "in_app"]).gather(rng.integers(0, 3, count)),
                "value": value,
            }
        ).write_parquet(folder / f"{name}.parquet")


def ours(folder: Path) -> dict[str, float]:
    from homing.store.ingest import ingest
    from homing.store.workspace import Workspace

    events = sorted(folder.glob("events_*.parquet"))
    workspace = Workspace.create(folder / "workspace")
    ingest(workspace, [folder / "users.parquet", folder / "messages.parquet"])
    measured = {}
    for what, paths in (("all", events), ("day", [folder / "day.parquet"]), ("repeat", events[:1])):
        started, busy = time.perf_counter(), time.process_time()
        summary = ingest(workspace, paths, table="events").tables["events"]
        measured |= {
            f"{what}_seconds": round(time.perf_counter() - started, 2),
            f"{what}_cpu_seconds": round(time.process_time() - busy, 2),
            f"{what}_rows": summary.read,
            f"{what}_added": summary.added,
            f"{what}_peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    measured["bytes_read"] = sum(path.stat().st_size for path in events)
    measured["bytes_written"] = sum(path.stat().st_size for path in workspace.ledger.files("events"))
    return measured


def peer(folder: Path) -> dict[str, float]:
    """Row rules and unique ids by dataframely, then the good rows to one file: no ledger, no users."""
    try:
        import dataframely as dy
    except ImportError:
        raise SystemExit(
            "the peer needs dataframely: make an environment and 'pip install dataframely'"
        ) from None

    class Events(dy.Schema):
        event_id = dy.String(primary_key=True)
        user_id = dy.String(nullable=False)
        at = dy.Datetime(nullable=False, time_zone="UTC")
        type = dy.Enum(TYPES, nullable=False)
        message_id = dy.String(nullable=True)
        channel = dy.Enum(["push", "email", "in_app"], nullable=True)
        value = dy.Float64(nullable=True, allow_inf=False, allow_nan=False)

    started, busy = time.perf_counter(), time.process_time()
    frame = pl.read_parquet(folder / "events_*.parquet")
    good, failure = Events.filter(frame, cast=True)
    failure.counts()
    good.sort("user_id", "at").write_parquet(folder / "peer.parquet", compression_level=1)
    return {
        "all_seconds": time.perf_counter() - started,
        "all_cpu_seconds": time.process_time() - busy,
        "all_rows": len(frame),
        "all_peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "quarantined": len(frame) - len(good),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--peer", metavar="PYTHON", help="Python of an environment that has dataframely")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, folder = arguments.measure
        print(json.dumps({"ours": ours, "peer": peer}[what](Path(folder))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, arguments.rows, arguments.users)
        pythons = {"ours": sys.executable} | ({"peer": arguments.peer} if arguments.peer else {})
        found = {}
        for what, python in pythons.items():
            # a process of its own, so that its peak of memory is its own
            done = subprocess.run(
                [python, __file__, "--measure", what, temporary],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found[what] = json.loads(done.stdout)
            rate = found[what]["all_rows"] / found[what]["all_seconds"]
            peak = found[what]["all_peak_rss"] / 1e9
            print(f"{what}: {rate / 1e6:.2f} M rows/s, peak {peak:.2f} GB, {done.stdout.strip()}")
        if "peer" in found:
            for what in ("all_seconds", "all_cpu_seconds", "all_peak_rss"):
                print(f"ours / dataframely, {what}: {found['ours'][what] / found['peer'][what]:.2f}")


if __name__ == "__main__":
    main()
