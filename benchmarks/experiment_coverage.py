"""Every interval and every check of `homing.experiments` under simulation, in one figure.

python benchmarks/experiment_coverage.py [runs] [figure]

Beside what stands here: smaller effects, and errors of the decision rule, in `experiments.py`; looks at what
grows unevenly in `experiment_in_ledger.py`; effects by user in `effects.py`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
from experiment_designs import Held, clusters, crosses, held, holdouts, surrogates, switchbacks, trials
from scipy.special import ndtri

from homing.experiments import (
    Criterion,
    Rule,
    adjust,
    adjusted_p_values,
    always_valid,
    before_start,
    compare,
    decide,
    difference,
    from_arrays,
    from_sums,
    from_table,
    funnel,
    group_sequential,
    hazard_ratio,
    interval_confidence,
    joint_difference,
    mean,
    post_stratify,
    proportion,
    quantile_levels,
    ratio,
    same_in_all,
    sample_ratio,
    sample_ratio_at_all_looks,
    survival_levels,
    utility,
)
from homing.experiments.adjust import Slopes
from homing.experiments.scales import Scale
from homing.experiments.sequential import Spending

NEW, OLD = "new", "control"
SCALES: tuple[Scale, ...] = ("delta", "log", "fieller")
SLOPES: tuple[Slopes, ...] = get_args(Slopes)
#: False alarms have this before their name; they are to be at most 5 %.
ALARM = "alarm: "


def arms(rng: np.random.Generator, users: int) -> tuple[np.ndarray, np.ndarray]:
    drawn = rng.random(users) < 0.5
    return drawn, np.where(drawn, NEW, OLD)


def levels(rng: np.random.Generator) -> Iterator[Held]:
    """1,000 users with sessions each; a skewed metric whose effect is known."""
    new, arm = arms(rng, 1000)
    sessions = rng.poisson(2, 1000) + 1
    spend = rng.exponential(1 + 0.2 * new) * sessions
    bought = rng.random(1000) < 0.1 + 0.05 * new
    moments = from_arrays(arm, {"spend": spend, "sessions": sessions, "bought": bought})
    yield held("mean", difference(moments, mean("spend"), NEW), 0.6)
    yield held("proportion", difference(moments, proportion("bought"), NEW), 0.05)
    yield held("ratio", difference(moments, ratio("spend", "sessions"), NEW), 0.2)
    user = np.repeat(np.arange(1000), sessions)
    # with rates of gamma(4, 1/4) by user the share above t is (1 + t / 4)^-4
    seconds = rng.exponential(1.0, len(user)) / rng.gamma(4, 0.25, 1000)[user] * (1 + 0.5 * new[user])
    found = quantile_levels(arm[user], seconds, 0.5, user)
    yield held("median of rows, by user", compare(found, NEW), 0.5 * 4 * (2**0.25 - 1))
    joint = joint_difference(moments, [mean("spend"), mean("bought")], NEW, scale="absolute")
    yield held("utility", utility(joint, [1.0, -2.0]), 0.6 - 0.1)


def before(rng: np.random.Generator) -> Iterator[Held]:
    """800 users in unequal arms; what they did before is known of three quarters."""
    new = rng.random(800) < 0.25
    past, stratum = rng.gamma(1, 1, 800), rng.integers(0, 3, 800)
    y = past + stratum + rng.gamma(1, 1, 800) + 0.3 * new
    known = rng.random(800) < 0.75
    table = pl.DataFrame(
        {
            "arm": np.where(new, NEW, OLD),
            "y": y,
            "x": pl.Series(past).zip_with(pl.Series(known), pl.Series([None] * 800, dtype=pl.Float64)),
            "stratum": stratum,
        }
    )
    moments = from_table(table, ["y"], missing=["x"])
    yield held("CUPED, some values missing", difference(adjust(moments, {"y": ["x"]}), mean("y"), NEW), 0.3)
    strata = post_stratify(from_table(table, ["y"], by=["stratum"]), "stratum")
    yield held("post-stratified", difference(strata, mean("y"), NEW), 0.3)


def relative(rng: np.random.Generator) -> Iterator[Held]:
    """600 users and a skewed metric that doubles; 4,000 users of whom 10 in an arm have an event."""
    new, arm = arms(rng, 600)
    x = rng.gamma(2, 1, 600)
    moments = from_arrays(arm, {"y": x * rng.gamma(2, 0.5, 600) * (1 + new), "x": x})
    for scale in SCALES:
        yield held(f"+100 %, {scale}", difference(moments, mean("y"), NEW, scale=scale), 1.0)
    for slopes in SLOPES:
        less = adjust(moments, {"y": ["x"]}, slopes=slopes)
        yield held(f"+100 %, log, CUPED {slopes}", difference(less, mean("y"), NEW, scale="log"), 1.0)
    count, events = np.full(2, 2000.0), rng.binomial(2000, 0.005, 2).astype(float)
    rare = from_sums((OLD, NEW), ("y",), count, events[:, None], events[:, None, None])
    for chosen in ("absolute", *SCALES) if (events > 0).all() else ():
        found = difference(rare, proportion("y"), NEW, scale=chosen)
        yield held(f"10 events an arm, {chosen}", found, 0.0)


def early(rng: np.random.Generator) -> Iterator[Held]:
    """40 days of 30 users, a skewed metric, effect 0.3: do an experiment's intervals hold at every look?"""
    new, arm = arms(rng, 1200)
    table = {"arm": arm, "day": np.repeat(np.arange(40), 30), "y": rng.exponential(1 + 0.3 * new)}
    running = from_table(pl.DataFrame(table), ["y"], by=["day"]).accumulate("day")
    error = difference(running, mean("y"), NEW).std_error
    looks = [7, 15, 20, 39]
    bounds = {"always-valid, 40 looks": always_valid(error, float(error[20])), **group_bounds(tuple(looks))}
    for name, critical in bounds.items():
        found = difference(running, mean("y"), NEW, critical=critical)
        holds = (found.low < 0.3) & (found.high > 0.3)
        yield name, bool(holds.all()), float((found.high - found.low)[-1])


@cache
def group_bounds(looks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return bounds by name, [days], infinite where there is no look."""
    found = {}
    for name in get_args(Spending):
        critical = np.full(40, np.inf)
        critical[list(looks)] = group_sequential((np.array(looks) + 1) / 40, spending=name).critical
        found[f"{name.replace('_', ' ')}, 4 uneven looks"] = critical
    return found


def waiting(rng: np.random.Generator) -> Iterator[Held]:
    """500 users, opt-outs at rates 0.1 and 0.15, seen for up to 10."""
    new, arm = arms(rng, 500)
    event, seen = rng.exponential(1 / np.where(new, 0.15, 0.1)), rng.uniform(2, 10, 500)
    at, happened = np.minimum(event, seen), event <= seen
    found = hazard_ratio(arm, at, happened, NEW)
    yield "hazard ratio", bool(found.low < 1.5 < found.high), float(np.log(found.high / found.low))
    kept = compare(survival_levels(arm, at, happened, 5.0), NEW)
    yield held("retention at 5, censored", kept, float(np.exp(-0.75) - np.exp(-0.5)))


def steps(rng: np.random.Generator) -> Iterator[Held]:
    """1,000 users: sends, opens of sends, clicks of opens; only opens differ."""
    new, arm = arms(rng, 1000)
    sends = rng.poisson(6, 1000) + 1
    opens = rng.binomial(sends, np.where(new, 0.36, 0.3))
    clicks = rng.binomial(opens, 0.2)
    moments = from_arrays(arm, {"sends": sends, "opens": opens, "clicks": clicks})
    found = funnel(moments, ["sends", "opens", "clicks"], NEW)
    for place, truth in enumerate((0.0, 7 * 0.06 * 0.2, 0.0)):
        yield held(f"funnel, {found.steps[place]}", found, truth, place)


def alarms(rng: np.random.Generator) -> Iterator[Held]:
    """900 users in two arms of which nothing differs, four metrics, three segments, 30 looks."""
    _, arm = arms(rng, 900)
    columns = {f"m{k}": rng.exponential(1, 900) for k in range(4)}
    moments = from_arrays(arm, columns)
    metrics = [mean(name) for name in columns]
    half = {OLD: 0.5, NEW: 0.5}
    yield f"{ALARM}sample ratio", not sample_ratio(moments, half, alpha=0.05).passed, 0.0
    seen = np.stack([np.cumsum(arm == label)[29::30] for label in (OLD, NEW)], axis=1)
    yield (
        f"{ALARM}sample ratio at 30 looks",
        bool(sample_ratio_at_all_looks(seen, (0.5, 0.5))[-1] < 0.05),
        0.0,
    )
    yield f"{ALARM}before the start, 4 metrics", not before_start(moments, metrics, alpha=0.05).passed, 0.0
    table = pl.DataFrame({"arm": arm, "part": rng.integers(0, 3, 900), **columns})
    parts = from_table(table, ["m0"], by=["part"])
    yield (
        f"{ALARM}same in 3 segments",
        not same_in_all(parts, mean("m0"), NEW, "part", alpha=0.05).passed,
        0.0,
    )
    found = [difference(moments, metric, NEW) for metric in metrics]
    p = np.array([float(each.p_value) for each in found])
    for name in ("bonferroni", "holm", "hommel", "benjamini_hochberg"):
        yield (
            f"{ALARM}any of 4 metrics, {name.replace('_', ' ')}",
            bool((adjusted_p_values(p, name) < 0.05).any()),
            0.0,
        )
    success = [Criterion(metric, "success") for metric in metrics[:2]]
    rule = Rule((*success, Criterion(metrics[2], "guardrail", 0.3)))
    yield f"{ALARM}the rule ships", decide(moments, rule, NEW).ship, 0.0
    joint = joint_difference(moments, metrics, NEW, scale="absolute")
    yield f"{ALARM}the rule by weights ships", bool(utility(joint, [1, 1, -1, -1]).p_value < 0.05), 0.0
    time, happened = np.minimum(columns["m0"], 1.0), columns["m0"] < 1.0
    yield f"{ALARM}log-rank", hazard_ratio(arm, time, happened, NEW).p_value < 0.05, 0.0


def found_ones(rng: np.random.Generator) -> Iterator[Held]:
    """Eight metrics, half of them with effects: of the intervals of those found, the share that misses."""
    new, arm = arms(rng, 900)
    effect = np.array([0.0, 0.25] * 4)
    moments = from_arrays(arm, {f"m{k}": rng.normal(effect[k] * new) for k in range(8)})
    p = np.array([float(difference(moments, mean(f"m{k}"), NEW).p_value) for k in range(8)])
    kept = np.flatnonzero(adjusted_p_values(p, "benjamini_hochberg") <= 0.05)
    share = interval_confidence(p, 0.05, "benjamini_hochberg")
    missed = [
        not held("", difference(moments, mean(f"m{k}"), NEW, confidence=float(share[k])), effect[k])[1]
        for k in kept
    ]
    yield f"{ALARM}intervals of what was found miss", float(np.mean(missed)) if missed else 0.0, 0.0


Part = Callable[[np.random.Generator], Iterator[Held]]
OF_DESIGNS: tuple[Part, ...] = (trials, crosses, holdouts, clusters, switchbacks, surrogates)
PARTS: tuple[Part, ...] = (
    levels,
    before,
    waiting,
    steps,
    *OF_DESIGNS,
    alarms,
    relative,
    early,
    found_ones,
)
#: What the other benchmark has as it is to be done, beside what goes wrong without it.
DESIGNS = {
    "WCLS, 25 users": "WCLS, 25 users",
    "EMEE, 25 users": "EMEE, 25 users",
    "EMEE2, 25 users": "EMEE2, 25 users",
    "interaction, absolute": "interaction, absolute",
    "interaction, log": "interaction, log",
    "holdout, last quarter": "holdout, last quarter",
    "holdout, cumulative": "holdout, since entry",
    "14 clusters": "14 clusters",
    "switchback, 60 periods, 2 h washed out": "switchback, 60 periods",
    "with its estimate from 10 experiments": "long-term effect",
    "direct effect": "direct effect of an arm",
    "error of surrogacy itself": "error of surrogacy",
}


def main(runs: int, figure: Path | None) -> None:
    start, shares = time.process_time(), {}
    for number, part in enumerate(PARTS):
        told: dict[str, list[float]] = {}
        for run in range(runs):
            for what, holds, _ in part(np.random.default_rng([number, run])):
                told.setdefault(what, []).append(holds)
        names = DESIGNS if part in OF_DESIGNS else dict.fromkeys(told)
        shares |= {names[what] or what: float(np.mean(told[what])) for what in told if what in names}
    for what, share in shares.items():
        print(f"{what:45s} {share:.3f}")
    print(f"{runs} runs, {time.process_time() - start:.0f} CPU-s")
    if figure:
        draw(figure, shares, runs)


def draw(figure: Path, shares: dict[str, float], runs: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    groups = [
        ("share of 95 % intervals that hold the truth", {w: s for w, s in shares.items() if ALARM not in w}),
        (
            "share of false alarms at 5 %",
            {w.removeprefix(ALARM): s for w, s in shares.items() if ALARM in w},
        ),
    ]
    sizes = [len(rows) for _, rows in groups]
    drawing, axes = plt.subplots(
        2, 1, figsize=(7, 1.6 + 0.24 * sum(sizes)), dpi=110, layout="constrained", height_ratios=sizes
    )
    for axis, (title, rows), want in zip(axes, groups, (0.95, 0.05), strict=True):
        share, place = np.array(list(rows.values())), np.arange(len(rows))[::-1]
        noise = ndtri(0.975) * np.sqrt(np.maximum(share * (1 - share), 1 / runs) / runs)
        axis.axvline(want, color="black", lw=1, ls="--")
        axis.errorbar(share, place, xerr=noise, fmt="o", ms=4, capsize=2, color="#1f6fb2")
        axis.set_yticks(place, list(rows))
        axis.set_ylim(-0.7, len(rows) - 0.3)
        axis.set_xlim(want - 0.06, min(want + 0.06, 1.0))
        axis.set_xlabel(title)
        axis.spines[["top", "right"]].set_visible(False)
    drawing.savefig(figure)


if __name__ == "__main__":
    rest = sys.argv[1:]
    main(int(rest[0]) if rest else 1000, Path(rest[1]) if len(rest) > 1 else None)
