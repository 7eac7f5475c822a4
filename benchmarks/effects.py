"""Effects by user: coverage of what is said of them, and Hillstrom's e-mails.

python benchmarks/effects.py coverage [runs]    of 95 % intervals, and how often "effects differ" is said
python benchmarks/effects.py hillstrom CSV      each e-mail against none, on visits
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from homing.evaluation.quality.uplift import qini_curve
from homing.experiments import (
    ForestSettings,
    UnitEffects,
    effect_calibration,
    group_effects,
    unit_effects,
)

ROWS, CHANCE, GROUPS = 1000, 0.3, 5
SETTINGS = ForestSettings(trees=60)
#: Effects of two covariates out of four that are standard normal.
WORLDS = {
    "no effect differs": lambda x: np.full(len(x), 0.2),
    "linear": lambda x: 0.2 + 0.4 * x[:, 0],
    "a step": lambda x: 0.2 + 0.8 * (x[:, 0] > 0.5),
    "an interaction": lambda x: 0.2 + 0.4 * x[:, 0] * x[:, 1],
}


def coverage(runs: int) -> None:
    for number, (name, effect_of) in enumerate(WORLDS.items()):
        start, rows = time.process_time(), []
        for run in range(runs):
            rng = np.random.default_rng([number, run])
            x = rng.normal(size=(ROWS, 4))
            effect, treated = effect_of(x), rng.random(ROWS) < CHANCE
            y = x[:, 2] + effect * treated + rng.normal(size=ROWS)
            found = unit_effects(
                {f"x{k}": x[:, k] for k in range(4)}, treated, y, CHANCE, settings=SETTINGS, seed=run
            )
            rows.append(held(found, effect))
        used = (time.process_time() - start) / runs
        told = {what: np.mean([row[what] for row in rows]).round(3) for what in rows[0]}
        print(f"{name}: {told}, {used:.1f} CPU-s a run")


def held(found: UnitEffects, effect: np.ndarray) -> dict[str, float]:
    """Whether each interval holds what is true of these rows and these predictions."""
    checked, groups = effect_calibration(found), group_effects(found, GROUPS)
    fold_mean = np.bincount(found.fold, found.value) / np.bincount(found.fold)
    away = found.value - fold_mean[found.fold]
    slope = float(away @ effect / (away @ away))
    weight = -np.log(1 - found.rank)
    weight -= (np.bincount(found.fold, weight) / np.bincount(found.fold))[found.fold]
    autoc = float((weight * effect).mean())
    part = (found.rank * GROUPS).astype(int)
    true = np.array([effect[part == k].mean() for k in range(GROUPS)])
    return {
        "one row": float(((found.low < effect) & (effect < found.high)).mean()),
        "mean": float(checked.effect_low < effect.mean() < checked.effect_high),
        "slope": float(checked.slope_low < slope < checked.slope_high),
        "AUTOC": float(checked.autoc_low < autoc < checked.autoc_high),
        "groups": float(((groups.low < true) & (true < groups.high)).mean()),
        "spread": float(groups.spread_low < true[-1] - true[0] < groups.spread_high),
        "says that effects differ": float(checked.p_value < 0.05),
        "mean slope": checked.slope,
    }


def hillstrom(path: Path) -> None:
    import polars as pl

    table = pl.read_csv(path, infer_schema_length=None)
    for email in ("Mens E-Mail", "Womens E-Mail"):
        two = table.filter(pl.col("segment").is_in([email, "No E-Mail"]))
        treated = (two["segment"] == email).to_numpy()
        names = ("recency", "history", "mens", "womens", "newbie", "zip_code", "channel")
        start = time.process_time()
        found = unit_effects(
            {name: two[name].to_numpy() for name in names},
            treated,
            two["visit"].to_numpy(),
            0.5,
            folds=2,
            settings=ForestSettings(trees=100, min_leaf=100),
        )
        used = time.process_time() - start
        checked, groups = effect_calibration(found), group_effects(found, GROUPS)
        qini = qini_curve(two["visit"].to_numpy(), treated, np.full(len(two), 0.5), found.rank)
        print(f"{email}, {used:.0f} CPU-s: {checked}")
        print(f"  predicted {groups.predicted.round(4)} measured {groups.value.round(4)}")
        print(f"  from {groups.low.round(4)} to {groups.high.round(4)}")
        print(f"  Qini {qini.coefficient:.5f} [{qini.coefficient_low:.5f}, {qini.coefficient_high:.5f}]")


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["coverage"]
    if what == "hillstrom":
        hillstrom(Path(rest[0]))
    else:
        coverage(int(rest[0]) if rest else 200)
