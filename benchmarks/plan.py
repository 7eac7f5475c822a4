"""Planning a million users: from ledger files to decision files, stage by stage beside its floor.

Run: python benchmarks/plan.py [--users 1000000] [--folder FOLDER]

The ledger is a simulated world of 50,000 users over two weeks, repeated under new ids, less a share of its
opportunities that no decision chose, so that a user has 15 candidates on average. Making it and
training a release on it are not timed, and a folder that has it already is used again. The plan runs in a
process of its own, so that its peak memory is its own.

The floors: bytes read and written at the speed at which this machine reads and writes files that are in
its memory, arrays made at the speed at which it copies memory, and the network's multiply-adds at the
speed at which PyTorch multiplies matrices of that shape here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import torch

from homing.lifecycle.release import load_release
from homing.lifecycle.train import train
from homing.lifecycle.worlds.simulate import simulate
from homing.schema.tables import INGESTED
from homing.schema.times import DAY, parse_time
from homing.simulator import Setup
from homing.store import Workspace

WORLD, DAYS = 50_000, 14
#: Of the opportunities that no decision chose.
KEPT = 0.845
EPOCH = parse_time("2026-01-05T00:00Z") + DAYS * DAY
_TOML = """\
[slots]
starts = ["09:00", "12:00", "18:00", "20:00"]

[training]
max_rows = 200000
"""


def make(folder: Path, users: int) -> Workspace:
    """Make the ledger and train a release."""
    workspace = Workspace.create(folder, _TOML)
    log = folder / "log"
    simulate(log, "streaming", Setup(WORLD, DAYS), "random", workspace.config)
    with workspace.ledger.write() as writer:
        for table in INGESTED:
            rows = pl.read_parquet(log / "*" / f"{table.name}.parquet")
            if table.name == "opportunities":
                chosen = pl.read_parquet(
                    log / "*" / "decisions.parquet", columns=["opportunity_id"]
                ).to_series()
                draw = np.random.default_rng(0).random(len(rows)) < KEPT
                rows = rows.filter(pl.Series(draw) | rows["opportunity_id"].is_in(chosen.implode()))
            ids = [
                name
                for name in ("user_id", "opportunity_id", "decision_id", "event_id")
                if name in rows.columns
            ]
            for copy in range(users // WORLD if table.by_user else 1):
                renamed = rows.with_columns(pl.col(name) + f"-{copy}" for name in ids) if copy else rows
                writer.add(table.name, renamed)
            print(f"{table.name}: {len(rows) * (users // WORLD if table.by_user else 1):,} rows", flush=True)
    train(workspace)
    return workspace


def rate(work: Callable[[], object], amount: float) -> float:
    """Return amount a second, the best of five."""
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return amount / best


def floors() -> dict[str, float]:
    """Return what this machine can do: bytes a second through files and memory, multiply-adds a second."""
    data = np.random.default_rng(0).integers(0, 256, 2**28, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        written = rate(lambda: path.write_bytes(data), data.nbytes)
        read = rate(path.read_bytes, data.nbytes)
    target = np.empty_like(data)
    copied = rate(lambda: np.copyto(target, data), data.nbytes)
    left, right = torch.rand(4096, 128), torch.rand(128, 64)
    with torch.no_grad():
        madds = rate(lambda: [left @ right for _ in range(100)], 100 * 4096 * 128 * 64)
    return {"read": read, "write": written, "copy": copied, "multiply-add": madds}


def timed_plan(folder: Path) -> None:
    """Plan, and print the facts as JSON."""
    from homing.lifecycle.plan import plan

    start, cpu = time.perf_counter(), time.process_time()
    planned = plan(Workspace.open(folder), EPOCH)
    facts = {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "stages": planned.timings.seconds,
        "peak": planned.timings.peak_bytes,
        "users": planned.funnel.users,
        "candidates": planned.funnel.eligible + planned.funnel.users,
        "added": planned.added,
        "run": planned.run_id,
    }
    print(json.dumps(facts))


def multiply_adds(workspace: Workspace) -> int:
    """Return the network's multiply-adds for one candidate; what rows share is not counted."""
    release = load_release(workspace, workspace.ledger.vocabularies())
    shape = release.model.networks[0].shape
    inputs = shape.candidate.columns + shape.embedding * len(shape.candidate.cardinalities)
    widths = (*shape.hidden, shape.heads)
    tail = sum(wide * narrow for wide, narrow in pairwise(widths))
    return len(release.model.networks) * (inputs * (shape.hidden[0] + shape.heads) + tail)


def size(paths: list[Path]) -> int:
    """Return bytes of files."""
    return sum(path.stat().st_size for path in paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--timed", action="store_true", help="only plan, in this process")
    given = parser.parse_args()
    if given.timed:
        timed_plan(given.folder)
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="homing-plan-")) / "workspace"
    workspace = (
        Workspace.open(folder) if (folder / "releases" / "current").exists() else make(folder, given.users)
    )
    command = [sys.executable, __file__, "--timed", "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    facts = json.loads(done.stdout)
    ledger = workspace.ledger
    read = size(
        [
            path
            for table in ("users", "consents", "opportunities", "decisions", "events")
            for path in ledger.files(table)
        ]
    )
    wrote = 2 * size(list((workspace.runs_path / facts["run"] / "decisions").iterdir()))
    can = floors()
    madds = facts["candidates"] * multiply_adds(workspace)
    floor = {
        "read": read / can["read"],
        "decide and score": madds / can["multiply-add"],
        "write": wrote / can["write"],
    }
    print(
        f"{facts['users']:,} users, {facts['candidates']:,} candidates, "
        f"{facts['candidates'] / facts['users']:.1f} each"
    )
    print(f"{facts['added']:,} decisions were new to the ledger; the ledger has {ledger.counts()}")
    print(f"all: {facts['wall']:.1f} s, {facts['cpu']:.1f} CPU-s, peak {facts['peak'] / 2**30:.2f} GiB")
    for stage, seconds in facts["stages"].items():
        beside = (
            f", floor {floor[stage]:.2f} s, {seconds / floor[stage]:.1f} times it" if stage in floor else ""
        )
        print(f"  {stage}: {seconds:.2f} s{beside}")
    print(f"machine: {', '.join(f'{name} {value / 1e9:.2f} G/s' for name, value in can.items())}")


if __name__ == "__main__":
    main()
