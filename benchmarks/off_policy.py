"""IPS, SNIPS and DR over a log in Parquet, with 100 resamples clustered by user: CPU seconds and peak memory.

python benchmarks/off_policy.py [rows ...]       default: 1 and 10 million, 10 candidates, rows / 5 users

Each reader is a process of its own over the same file: ours with users dealt into 20,000 groups for the
resampling (the default) and with every user resampled, a plain NumPy program over the same parts, and obp
0.5.7 at up to a million rows, where OBP_PYTHON names an interpreter that has it (values and resamples by row,
all in memory):
    python3.11 -m venv /tmp/obp
    /tmp/obp/bin/pip install --ignore-requires-python --no-deps obp==0.5.7 pyieoe
    /tmp/obp/bin/pip install numpy scipy scikit-learn pandas seaborn tqdm pyyaml torch==2.13.0 pyarrow
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ACTIONS, RESAMPLES, PART = 10, 100, 1 << 17
NAMES = ("ips", "snips", "dr")
ONE_THREAD = {f"{kind}_NUM_THREADS": "1" for kind in ("OMP", "OPENBLAS", "MKL", "NUMBA")} | {
    "POLARS_MAX_THREADS": "1"
}


def write(path: Path, rows: int) -> None:
    """Write a log whose users come in no order and have ids of 64 bits."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(0), None
    ids = rng.integers(0, 2**63, max(rows // 5, 2))
    logged = 0.95 * rng.dirichlet(np.ones(ACTIONS), 4096) + 0.05 / ACTIONS
    wanted = rng.dirichlet(np.ones(ACTIONS), 4096).astype(np.float32)
    for start in range(0, rows, 1 << 20):
        size = min(1 << 20, rows - start)
        state = rng.integers(4096, size=size)
        choice = (rng.random((size, 1)) > logged.cumsum(axis=1)[state][:, :-1]).sum(axis=1)
        lists = [wanted[state], rng.random((size, ACTIONS), np.float32)]
        table = pa.table(
            {
                "user_id": rng.choice(ids, size),
                "reward": (rng.random(size) < 0.1 + 0.01 * choice).astype(np.float32),
                "propensity": logged[state, choice],
                "choice": choice.astype(np.int16),
                "target": pa.FixedSizeListArray.from_arrays(pa.array(lists[0].ravel()), ACTIONS),
                "prediction": pa.FixedSizeListArray.from_arrays(pa.array(lists[1].ravel()), ACTIONS),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, use_dictionary=["choice"])
        writer.write_table(table)
    writer.close()


def ours(path: Path, groups: int) -> dict[str, tuple[float, float]]:
    from homing.evaluation import bootstrap, stream
    from homing.store import LogColumns, read_logged_rows

    columns = LogColumns({"new": "target"}, prediction="prediction")
    found = stream(read_logged_rows([path], columns, rows=PART, threads=False))["new"]
    resampled = {name: bootstrap(found[name], RESAMPLES, groups=groups) for name in NAMES}
    return {name: (e.value, e.std_error) for name, e in resampled.items()}


def plain(path: Path) -> dict[str, tuple[float, float]]:
    """Do the same in NumPy without tricks: users by one sort, resamples by drawing users with replacement."""
    import pyarrow.parquet as pq

    unique, code = np.unique(
        pq.read_table(path, columns=["user_id"], use_threads=False)["user_id"].to_numpy(), return_inverse=True
    )
    users, start = len(unique), 0
    totals = np.zeros((5, users))
    for batch in pq.ParquetFile(path).iter_batches(batch_size=PART, use_threads=False):
        rows = len(batch)
        target, prediction = (
            batch.column(name).flatten().to_numpy().reshape(rows, ACTIONS)
            for name in ("target", "prediction")
        )
        reward, chance = batch.column("reward").to_numpy(), batch.column("propensity").to_numpy()
        at = (np.arange(rows), batch.column("choice").to_numpy())
        weight = target[at] / chance
        direct = np.einsum("ij,ij->i", target, prediction, dtype=np.float64)
        mine = code[start : start + rows]
        terms = (np.ones(rows), weight, weight * reward, direct, weight * (reward - prediction[at]))
        for total, term in zip(totals, terms, strict=True):
            np.add.at(total, mine, term)
        start += rows

    def values(sums: np.ndarray) -> tuple[float, ...]:
        n, w, wr, q, c = sums
        return wr / n, wr / w, (q + c) / n

    rng, drawn = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(users, size=users), minlength=users)
        drawn.append(values(totals @ times))
    errors = np.std(drawn, axis=0, ddof=1)
    return dict(zip(NAMES, zip(values(totals.sum(axis=1)), errors, strict=True), strict=True))


def peer(path: Path) -> dict[str, tuple[float, float]]:
    import warnings

    warnings.simplefilter("ignore")
    import pyarrow.parquet as pq
    from obp import ope

    table = pq.read_table(path, use_threads=False)
    rows = table.num_rows
    lists = {
        name: table[name].combine_chunks().flatten().to_numpy().reshape(rows, ACTIONS, 1).astype(np.float64)
        for name in ("target", "prediction")
    }
    given = {
        "reward": table["reward"].to_numpy().astype(np.float64),
        "action": table["choice"].to_numpy().astype(np.int64),
        "pscore": table["propensity"].to_numpy(),
        "action_dist": lists["target"],
        "estimated_rewards_by_reg_model": lists["prediction"],
    }
    kinds = (
        ope.InverseProbabilityWeighting,
        ope.SelfNormalizedInverseProbabilityWeighting,
        ope.DoublyRobust,
    )
    found = {}
    for name, kind in zip(NAMES, kinds, strict=True):
        value = kind().estimate_policy_value(**given)
        kind().estimate_interval(n_bootstrap_samples=RESAMPLES, random_state=0, **given)
        found[name] = (float(value), float("nan"))
    return found


READERS = {
    "ours": lambda path: ours(path, 20_000),
    "ours, every user": lambda path: ours(path, 10**9),
    "NumPy": plain,
    "obp": peer,
}


def child(name: str, path: Path) -> None:
    """Read once and print what it took; the time to import is counted."""
    found = READERS[name](path)
    used = resource.getrusage(resource.RUSAGE_SELF)
    facts = {"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 2**20, "values": found}
    print(json.dumps(facts, default=float))


def measure(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        write(path, rows)
        print(f"\n{rows:,} rows of {ACTIONS} candidates, {path.stat().st_size / 2**30:.2f} GiB")
        print("                     CPU-s  wall-s  peak GiB  value and error of IPS, SNIPS, DR")
        costs = {}
        for name in READERS:
            python = os.environ.get("OBP_PYTHON") if name == "obp" else sys.executable
            if python is None or (name == "obp" and rows > 1_000_000):
                continue
            started = time.perf_counter()
            done = subprocess.run(
                [python, __file__, "--child", name, str(path)],
                env=os.environ | ONE_THREAD,
                check=True,
                capture_output=True,
                text=True,
            )
            wall, facts = time.perf_counter() - started, json.loads(done.stdout)
            costs[name] = facts["cpu"]
            shown = ", ".join(f"{value:.6f} ({error:.6f})" for value, error in facts["values"].values())
            print(f"{name:<18} {facts['cpu']:7.1f} {wall:7.1f} {facts['peak']:9.2f}  {shown}")
        for name, cost in costs.items():
            if name != "ours":
                print(f"{name} takes {cost / costs['ours']:.2f} times the CPU of ours")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        for size in [int(text) for text in sys.argv[1:]] or [1_000_000, 10_000_000]:
            measure(size)
