"""Experiments read from a ledger: error rates of early looks, and the cost of the scan beside its floor.

Run: python benchmarks/experiment_in_ledger.py looks|scan [--users 200000]

`looks`: nothing differs between arms; how often some look says that an arm is better, where looks are at
shares of the planned days and information grows otherwise.
`scan`: moments of four metrics, with what users did before, from decisions and events of two weeks, the best
of four in turns. The floor is one query by hand, by the streaming engine of Polars over all files at once, to
the same numbers of each user and their moments by arm; both are compared. `reading` is less: the same files,
and one sum by user a table, without arms, entries or windows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.experiments import Experiment, Moments, assign, hash_ids
from homing.lifecycle.experiment.looking import Look
from homing.lifecycle.experiment.measuring import Layout, measure
from homing.schema.experiment import SENT, Design, parse_design
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY, HOUR, parse_time
from homing.store import Cohort, Number, Workspace

Sums = tuple[int, dict[str, float], NDArray[np.float64]]
DAYS, PATHS, ALPHA = 28, 100_000, 0.025
START = parse_time("2026-03-02T00:00Z")
TOML = """\
days = 28
exposure = "assigned"
[arms.control]
share = 0.5
[arms.new]
share = 0.5
[metrics.minutes]
role = "success"
event = "session"
aggregate = "sum"
effect = 0.05
[metrics.days]
role = "guardrail"
event = "session"
aggregate = "active_days"
margin = 0.05
[metrics.back]
role = "monitor"
event = "session"
aggregate = "any"
after = "7d"
window = "7d"
[metrics.rate]
role = "monitor"
event = "clicked"
per = "sent"
"""


def paths(model: str, random: np.random.Generator) -> NDArray[np.float64]:
    """Return statistics without any effect: float64 [paths, days], NaN where there is no information yet."""
    days = np.arange(1, DAYS + 1)
    walk = random.standard_normal((PATHS, DAYS)).cumsum(axis=1)
    if model == "grows with days":
        return walk / np.sqrt(days)
    if model == "users differ":  # all from the first day on; between-user variance is that of three days
        level = random.standard_normal((PATHS, 1)) * np.sqrt(3)
        return (days * level + walk) / np.sqrt(3 * days**2 + days)
    late = np.full((PATHS, DAYS), np.nan)  # users arrive evenly, and count after 14 days
    late[:, 14:] = walk[:, : DAYS - 14] / np.sqrt(days[: DAYS - 14])
    return late


def looks() -> None:
    design = parse_design(TOML, "benchmark")
    print(f"share of {PATHS:,} experiments without an effect in which a look says better; alpha {ALPHA}")
    for kind, at in (("always_valid", range(1, DAYS + 1)), ("group_sequential", (7, 14, 21, 28))):
        made = design.model_copy(update={"looks": kind})
        shares = [day / DAYS for day in at]
        nominal = [Look(made, tuple(shares[: place + 1])).nominal(ALPHA) for place in range(len(shares))]
        bound = [-_quantile(alpha) for alpha in nominal]
        for model in ("grows with days", "users differ", "counts after 14 days"):
            found = paths(model, np.random.default_rng(1))[:, [day - 1 for day in at]]
            crossed = (np.nan_to_num(found, nan=-np.inf) > bound).any(axis=1).mean()
            plain = (np.nan_to_num(found, nan=-np.inf) > -_quantile(ALPHA)).any(axis=1).mean()
            print(f"{kind:17} information {model:22} {crossed:.4f}   unadjusted {plain:.3f}")


def _quantile(alpha: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(alpha)


def scan(users: int, folder: Path) -> None:
    workspace, record = _ledger(users, folder)
    cohort = Cohort.of(record, START + 14 * DAY)
    numbers = Layout(record.design, cohort).numbers
    runs = {
        "Homing": lambda: measure(workspace, record.design, cohort),
        "floor": lambda: floor(workspace, numbers),
        "reading": lambda: reading(workspace),
    }
    _check_equal(runs["Homing"]().moments, runs["floor"]())
    used: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(4):
        for name, run in runs.items():
            cpu = time.process_time()
            run()
            used[name].append(time.process_time() - cpu)
    best = {name: min(each) for name, each in used.items()}
    rows = workspace.ledger.counts()
    print(f"{users:,} users, {rows['decisions']:,} decisions, {rows['events']:,} events; CPU-s")
    print("; ".join(f"{name} {each:.2f} ({best['Homing'] / each:.1f}x)" for name, each in best.items()))


def reading(workspace: Workspace) -> None:
    for table in ("decisions", "events"):
        files = pl.scan_parquet(workspace.ledger.files(table))
        value = pl.col("propensity") if table == "decisions" else pl.col("value")
        files.group_by("user_id").agg(value.sum()).collect()


def floor(workspace: Workspace, numbers: list[Number]) -> dict[str, Sums]:
    """Return count, mean and scatter of each number by arm."""
    users, decisions, events = (
        pl.scan_parquet(workspace.ledger.files(table)) for table in ("users", "decisions", "events")
    )
    decided = decisions.select("user_id", "action", at="epoch_at", arm=pl.col("arms").list.first())
    entries = decided.group_by("user_id").agg(
        entered=pl.col("at").min(), arm=pl.col("arm").sort_by("at").first()
    )
    sends = decided.filter(pl.col("action") == "send").select(
        "user_id", "at", type=pl.lit(SENT), value=pl.lit(1.0)
    )
    happened = pl.concat([events.select("user_id", "at", "type", "value"), sends]).join(entries, on="user_id")
    since = (pl.col("at") - pl.col("entered")).to_physical()
    counted = happened.with_columns(since=since).group_by("user_id").agg(*map(_counted, numbers))
    everyone = users.select("user_id", "signed_up_at").join(entries, on="user_id")
    table = everyone.join(counted, on="user_id", how="left").collect(engine="streaming")
    values = table.select(pl.col(number.name).fill_null(0) for number in numbers).to_numpy()
    found = {}
    for arm in ("control", "new"):
        mine = values[(table["arm"] == f"x:{arm}").to_numpy()]
        centred = mine - mine.mean(axis=0)
        found[arm] = (
            len(mine),
            dict(zip([n.name for n in numbers], mine.mean(axis=0), strict=True)),
            centred.T @ centred,
        )
    return found


def _counted(number: Number) -> pl.Expr:
    """Return the aggregation of a number; no event of this ledger names a decision."""
    taken = (pl.col("type") == number.event) & (pl.col("since") >= number.since)
    if number.until is not None:
        taken &= pl.col("since") < number.until
    if number.weekend is not None:
        taken &= (pl.col("at").dt.weekday() > 5) == number.weekend
    match number.aggregate:
        case "any":
            found = taken.any()
        case "count":
            found = taken.sum()
        case "sum":
            found = (taken * pl.col("value")).sum()
        case "active_days":
            found = pl.when(taken).then(pl.col("since") // DAY).drop_nulls().n_unique()
    return found.cast(pl.Float64).alias(number.name)


def _check_equal(ours: Moments, by_hand: dict[str, Sums]) -> None:
    """Compare the numbers that are columns as they are: metrics without a window."""
    for arm, (count, mean, _) in by_hand.items():
        place = ours.arm(arm)
        assert ours.count[place] == count
        for name in ("minutes", "minutes before", "days", "days before", "rate", "rate per"):
            assert np.isclose(ours.mean[place, ours.column(name)], mean[name], rtol=1e-12), name


def _ledger(users: int, folder: Path) -> tuple[Workspace, Record]:
    workspace = Workspace.create(folder / "workspace")
    random = np.random.default_rng(0)
    names = np.array([f"user-{number:07d}" for number in range(users)])
    design: Design = parse_design(TOML, "benchmark").model_copy(update={"salt": "homing"})
    arm = assign(hash_ids(names.tolist()), Experiment("x", design.shares), "homing")
    at = pl.Datetime("us", "UTC")
    everybody = pl.DataFrame({"user_id": names, "signed_up_at": np.full(users, START - 90 * DAY)})
    events = 20 * users
    who = random.integers(0, users, events)
    kinds = np.array(["session", "session", "session", "clicked"])
    happened = pl.DataFrame(
        {
            "event_id": [f"e{number}" for number in range(events)],
            "user_id": names[who],
            "at": START + random.integers(-28 * 24, 14 * 24, events) * HOUR,
            "type": kinds[random.integers(0, 4, events)],
            "value": random.gamma(2, 10, events),
        }
    )
    labels = np.array(["x:control", "x:new"])[arm]
    with workspace.ledger.write() as writer:
        writer.add("users", everybody.with_columns(pl.col("signed_up_at").cast(at)))
        writer.add("events", happened.with_columns(pl.col("at").cast(at)))
        for day in range(14):
            decided = pl.DataFrame(
                {
                    "decision_id": np.char.add(names, f"-{day}"),
                    "epoch_at": np.full(users, START + day * DAY),
                    "user_id": names,
                    "action": np.where(random.random(users) < 0.3, "send", "hold"),
                    "propensity": np.ones(users),
                    "arms": labels[:, None].tolist(),
                }
            )
            writer.add("decisions", decided.with_columns(pl.col("epoch_at").cast(at)))
    return workspace, Record("x", design, (Change("start", START, "", 1.0),))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("looks", "scan"))
    parser.add_argument("--users", type=int, default=200_000)
    given = parser.parse_args()
    if given.what == "looks":
        looks()
    else:
        with tempfile.TemporaryDirectory() as folder:
            scan(given.users, Path(folder))


if __name__ == "__main__":
    main()
