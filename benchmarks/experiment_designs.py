"""Coverage of what experiments of special design give, and the bias of a budget that arms share.

python benchmarks/experiment_designs.py coverage [runs]    of 95 % intervals
python benchmarks/experiment_designs.py looks [runs]       power with early looks, inflated and not
python benchmarks/experiment_designs.py carry [runs]       switchback: bias by the time washed out
python benchmarks/experiment_designs.py budget [runs] [figure]
python benchmarks/experiment_designs.py peer               beside statsmodels 0.15.0, in its own venv
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from homing.experiments import (
    Difference,
    Moments,
    SurrogacyError,
    causal_excursion,
    cluster_levels,
    compare,
    difference,
    from_arrays,
    group_sequential,
    holdout_readout,
    interaction,
    long_term_effect,
    mean,
    plan_looks,
    surrogacy,
    surrogacy_error,
    surrogate_index,
    switchback_levels,
)
from homing.experiments.micro_randomized import Link
from homing.experiments.moments import Axis
from homing.experiments.sequential import Spending

Held = tuple[str, float, float]  # what, whether the interval holds the truth, its width

NEW, OLD = "new", "control"


def held(what: str, found: object, truth: float, place: int | tuple[()] = ()) -> Held:
    low, high = (float(np.asarray(getattr(found, name))[place]) for name in ("low", "high"))
    return what, low < truth < high, high - low


def trials(rng: np.random.Generator) -> Iterator[Held]:
    """25 users, 15 moments; sends and outcome depend on activity. Ratio e^0.3 whatever the past."""
    users, times = 25, 15
    level = rng.normal(size=users)[:, None] * 0.3
    active = rng.random((users, times)) < 0.5
    chance = np.where(active, 0.7, 0.3)
    sent = rng.random((users, times)) < chance
    rate = 0.25 * np.exp(0.3 * sent + 0.4 * active + level - 0.3)
    y = (rng.random(sent.shape) < rate).astype(float)
    user = np.repeat(np.arange(users), times)
    more = 0.25 * np.exp(0.045 - 0.3) * (1 + np.exp(0.4)) / 2 * (np.exp(0.3) - 1)
    wcls = causal_excursion(y.ravel(), sent.ravel(), chance.ravel(), user)
    yield held("WCLS, 25 users", wcls, more, 0)
    links: tuple[tuple[str, Link], ...] = (("EMEE", "log"), ("EMEE2", "log_centred"))
    for name, link in links:
        found = causal_excursion(y.ravel(), sent.ravel(), chance.ravel(), user, link=link)
        yield held(f"{name}, 25 users", found, 0.3, 0)
        plain = found.std_error_plain[0] * ndtri(0.975)
        yield f"{name}, without the correction", abs(found.value[0] - 0.3) < plain, 2 * plain


def crosses(rng: np.random.Generator) -> Iterator[Held]:
    """Two experiments that multiply: 1.2 and 1.5 times, 50 users a cell and a metric like revenue."""
    level = np.array([[1.0, 1.2], [1.5, 1.8]])
    y = level[..., None] * rng.exponential(1, (2, 2, 50))
    scatter = ((y - y.mean(-1, keepdims=True)) ** 2).sum(-1)
    axes = (Axis("second", (OLD, NEW)),)
    moments = Moments(
        (OLD, NEW), ("y",), np.full((2, 2), 50.0), y.mean(-1)[..., None], scatter[..., None, None], axes
    )
    yield held("interaction, absolute", interaction(moments, mean("y"), NEW, "second", NEW), 0.1)
    log = interaction(moments, mean("y"), NEW, "second", NEW, scale="log")
    yield held("interaction, log", log, 0.0)


def holdouts(rng: np.random.Generator) -> Iterator[Held]:
    """1,000 users of whom 10 % are held out join over four quarters; effects grow by 0.1 a quarter."""
    entry, out = rng.integers(0, 4, 1000), rng.random(1000) < 0.1
    age = np.arange(4) - entry[:, None] + 1
    y = rng.exponential(1, (1000, 1)) + rng.exponential(1, age.shape) + 0.1 * age * ~out[:, None]
    found = holdout_readout(y, out, entry)
    yield held("holdout, last quarter", found.by_period, 0.25, 3)
    ages = np.concatenate([np.arange(1, k + 2) for k in range(4)])
    yield held("holdout, cumulative", found.cumulative, 0.1 * ages.mean(), 3)
    # the same rows taken for independent, as a table of users and quarters invites
    rows = age > 0
    arm = np.where(np.broadcast_to(out[:, None], y.shape)[rows], OLD, NEW)
    naive = difference(from_arrays(arm, {"y": y[rows]}), mean("y"), NEW)
    yield held("holdout, cumulative, rows as units", naive, 0.1 * ages.mean())


def clusters(rng: np.random.Generator) -> Iterator[Held]:
    """14 clusters of 2 to 30 rows, half of the variance between clusters."""
    cluster = np.repeat(np.arange(14), [2, 3, 4, 5, 6, 20, 30] * 2)
    arm = np.where(cluster < 7, OLD, NEW)
    y = rng.normal(size=14)[cluster] + rng.normal(size=len(cluster)) + (arm == NEW)
    levels = cluster_levels(y, arm, cluster)
    yield held("14 clusters", compare(levels, NEW), 1.0)
    plain = cluster_difference_z(y, arm, cluster)
    yield (
        "14 clusters, CR1 and normal",
        abs(plain[0] - 1) < ndtri(0.975) * plain[1],
        2 * ndtri(0.975) * plain[1],
    )
    yield held("14 clusters, rows as units", difference(from_arrays(arm, {"y": y}), mean("y"), NEW), 1.0)


def cluster_difference_z(y: np.ndarray, arm: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """The difference and its error with the factor of all clusters, J / (J - 1) (N - 1) / (N - 2)."""
    value, variance = {}, 0.0
    for label in (OLD, NEW):
        here = arm == label
        value[label] = y[here].mean()
        variance += (np.bincount(cluster[here], y[here] - value[label]) ** 2).sum() / here.sum() ** 2
    size, rows = len(np.unique(cluster)), len(y)
    return value[NEW] - value[OLD], float(np.sqrt(variance * size / (size - 1) * (rows - 1) / (rows - 2)))


def switchbacks(rng: np.random.Generator) -> Iterator[Held]:
    """60 periods of 6 hours with noise that lasts; the arm before acts for 2 hours more."""
    found = switched(rng, 60, 2.0)
    yield held("switchback, 60 periods, 2 h washed out", found, 2.0)
    yield held("switchback, nothing washed out", switched(rng, 60, 0.0), 2.0)


def switched(rng: np.random.Generator, periods: int, washout: float) -> Difference:
    drawn = rng.random(periods) < 0.5
    drawn[:2] = [True, False]
    period, since = np.repeat(np.arange(periods), 6), np.tile(np.arange(6.0), periods)
    acting = np.where(since < 2, np.r_[False, drawn[:-1]][period], drawn[period])
    noise = np.zeros(6 * periods)
    shock = rng.normal(size=6 * periods)
    for hour in range(1, 6 * periods):
        noise[hour] = 0.8 * noise[hour - 1] + shock[hour]
    y = 2.0 * acting + noise
    arm = np.where(drawn[period], NEW, OLD)
    return compare(switchback_levels(y, arm, period, since, washout), NEW)


def surrogates(rng: np.random.Generator) -> Iterator[Held]:
    """The outcome is 2 s + a direct effect that differs by experiment, N(0, 0.5^2); 10 past experiments."""
    index = surrogate_index(short_and_long(rng, 2000, 0.0), "y", ["s"])
    past = [surrogacy(index, short_and_long(rng, 400, rng.normal(0, 0.5)), NEW) for _ in range(10)]
    error = surrogacy_error([each.direct for each in past], [each.std_error for each in past])
    direct = rng.normal(0, 0.5)
    now = short_and_long(rng, 400, direct)
    sizes: tuple[tuple[str, SurrogacyError | float], ...] = (
        ("surrogate index alone", 0.0),
        ("with the error of surrogacy, known", 0.5),
        ("with its estimate from 10 experiments", error),
        ("the same, taken for known", error.value),
        ("with its upper bound", error.high),
    )
    for name, size in sizes:
        yield held(name, long_term_effect(index, now, NEW, surrogacy_error=size), 1 + direct)
    yield held("error of surrogacy itself", error, 0.5)
    yield held("direct effect", surrogacy(index, now, NEW), direct)


def short_and_long(rng: np.random.Generator, users: int, direct: float) -> Moments:
    arm = rng.random(users) < 0.5
    s = rng.normal(1 + 0.5 * arm)
    y = 2 * s + direct * arm + rng.normal(0, 2, users)
    return from_arrays(np.where(arm, NEW, OLD), {"s": s, "y": y})


def coverage(runs: int) -> None:
    for number, each in enumerate((trials, crosses, holdouts, clusters, switchbacks, surrogates)):
        rng, start = np.random.default_rng(number), time.process_time()
        seen: dict[str, list[tuple[float, float]]] = {}
        for _ in range(runs):
            for what, holds, width in each(rng):
                seen.setdefault(what, []).append((holds, width))
        for what, pairs in seen.items():
            share, width = np.mean(pairs, axis=0)
            print(f"{what:44s} holds the truth {share:.3f}  mean width {width:.3g}")
        print(f"  {runs} runs: {time.process_time() - start:.1f} CPU-s")


def looks(runs: int) -> None:
    """Power at the size of a single look, and at the inflated size; normal data, four looks."""
    share, rng = np.arange(1, 5) / 4, np.random.default_rng(0)
    single = float(ndtri(0.975) + ndtri(0.8))
    spendings: tuple[Spending, ...] = ("obrien_fleming", "pocock")
    for spending in spendings:
        bounds = group_sequential(share, spending=spending)
        plan = plan_looks(bounds.critical, share)
        told = [f"{spending}: inflation {plan.inflation:.4f}, expected size {plan.expected:.3f}"]
        for name, drift in (("not inflated", single), ("inflated", plan.drift)):
            steps = rng.normal(drift / 4, 0.5, (runs, 4))
            crossed = np.abs(steps.cumsum(axis=1) / np.sqrt(share)) > bounds.critical
            found = crossed.any(axis=1)
            size = np.where(found, share[crossed.argmax(axis=1)], 1.0).mean() * (drift / single) ** 2
            told.append(f"{name} power {found.mean():.4f} mean size {size:.3f}")
        print("; ".join(told))


def carry(runs: int) -> None:
    for washout in (0.0, 1.0, 2.0, 3.0):
        rng = np.random.default_rng(0)
        found = [switched(rng, 60, washout) for _ in range(runs)]
        value = np.array([float(each.value) for each in found])
        holds = np.mean([float(each.low) < 2 < float(each.high) for each in found])
        print(
            f"washed out {washout:.0f} of 6 h (effects last 2): bias {value.mean() - 2:+.3f}, "
            f"standard deviation {value.std():.3f}, holds the truth {holds:.3f}"
        )


USERS, DAYS, BUDGET = 2000, 28, 0.2  # the budget is of sends a user and day


@dataclass(frozen=True)
class Day:
    """What a day's opportunities are worth, and what each policy takes them to be worth: float64 [users]."""

    value: np.ndarray
    old: np.ndarray
    new: np.ndarray


def days(rng: np.random.Generator, users: int, loud: float, noise: float = 0.5) -> Iterator[Day]:
    """The new policy sees values with some noise (the old one 1.0, in logs), and states them `loud` times."""
    eager = rng.gamma(2, 0.5, users)
    while True:
        value = 0.1 * eager * rng.gamma(1, 1, users)
        old = value * np.exp(rng.normal(0, 1.0, users) - 0.5)
        yield Day(value, old, loud * value * np.exp(rng.normal(0, noise, users) - noise**2 / 2))


def sends(score: np.ndarray, budget: float) -> np.ndarray:
    """The best scores get the budget."""
    chosen = np.zeros(len(score))
    chosen[np.argpartition(-score, int(budget))[: int(budget)]] = 1
    return chosen


def designs(rng: np.random.Generator, loud: float, noise: float) -> dict[str, Difference]:
    """The same new policy tested with a shared budget, with a split one, and by days."""
    arm = np.arange(USERS) < USERS / 2
    shared, split, by_day = np.zeros(USERS), np.zeros(USERS), np.zeros(DAYS)
    drawn = rng.permutation(np.arange(DAYS) < DAYS / 2)
    for number, day in zip(range(DAYS), days(rng, USERS, loud, noise), strict=False):
        score = np.where(arm, day.new, day.old)
        shared += day.value * sends(score, BUDGET * USERS)
        for half in (arm, ~arm):
            split[half] += day.value[half] * sends(score[half], BUDGET * half.sum())
        by_day[number] = (day.value * sends(day.new if drawn[number] else day.old, BUDGET * USERS)).mean()
    label, day_label = np.where(arm, NEW, OLD), np.where(drawn, NEW, OLD)
    return {
        "one budget": difference(from_arrays(label, {"y": shared / DAYS}), mean("y"), NEW),
        "split budget": difference(from_arrays(label, {"y": split / DAYS}), mean("y"), NEW),
        "switchback by day": compare(cluster_levels(by_day, day_label, np.arange(DAYS)), NEW),
    }


def truth(rng: np.random.Generator, users: int = 1_000_000) -> float:
    """What changes where all users get the new policy: how loud it is makes no difference."""
    day = next(days(rng, users, 1.0))
    sent = [sends(score, BUDGET * users) for score in (day.new, day.old)]
    return float((day.value * (sent[0] - sent[1])).mean())


@dataclass(frozen=True)
class Measured:
    """What a design says of a policy over many runs."""

    mean: float
    deviation: float
    holds: float  # share of intervals with the truth
    better: float  # share of runs that find the policy significantly better


def budget(runs: int, figure: Path | None) -> None:
    """A policy that sees values better, and one that does not and only states them otherwise."""
    start = time.process_time()
    true = float(np.mean([truth(np.random.default_rng(seed)) for seed in range(8)]))
    print(f"launched to all: {true:+.5f} a user and day")
    louder = (0.5, 0.71, 1.0, 1.41, 2.0)
    shown: dict[tuple[str, bool], list[Measured]] = {}
    for loud in louder:
        for sees, noise, effect in ((True, 0.5, true), (False, 1.0, 0.0)):
            rng = np.random.default_rng(0)
            found = [designs(rng, loud, noise) for _ in range(runs)]
            for name in found[0]:
                value, low, high = (
                    np.array([float(getattr(each[name], part)) for each in found])
                    for part in ("value", "low", "high")
                )
                holds = float(((low < effect) & (effect < high)).mean())
                seen = Measured(float(value.mean()), float(value.std()), holds, float((low > 0).mean()))
                shown.setdefault((name, sees), []).append(seen)
                print(
                    f"states {loud:.2f} x, {'better' if sees else 'no better'}: {name:18s} "
                    f"{seen.mean / true:5.2f} of the better one's effect, deviation "
                    f"{seen.deviation / true:.2f}, holds the truth {holds:.3f}, said better {seen.better:.3f}"
                )
    print(f"{runs} runs each: {time.process_time() - start:.1f} CPU-s")
    if figure:
        draw(figure, louder, shown, true)


def draw(
    figure: Path, louder: tuple[float, ...], shown: dict[tuple[str, bool], list[Measured]], true: float
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    drawing, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), dpi=110, layout="constrained")
    colours = {"one budget": "#c0392b", "split budget": "#1f6fb2", "switchback by day": "#7f8c8d"}
    for offset, (name, colour) in zip((0.97, 1.0, 1.03), colours.items(), strict=True):
        x = np.array(louder) * offset
        left.errorbar(
            x,
            [each.mean / true for each in shown[name, True]],
            [1.96 * each.deviation / true for each in shown[name, True]],
            fmt="o-",
            ms=4,
            capsize=3,
            color=colour,
            label=name,
        )
        for sees, line in ((True, "o-"), (False, "o:")):
            right.plot(x, [each.better for each in shown[name, sees]], line, ms=4, color=colour)
    left.axhline(1, color="black", lw=1, ls="--", label="launched to all")
    left.axhline(0, color="black", lw=0.6)
    left.set_ylabel("measured effect / true effect")
    left.legend(frameon=False, fontsize=9)
    right.axhline(0.025, color="black", lw=0.6)
    right.set_ylim(-0.03, 1.03)
    right.set_ylabel("share of experiments that say: better")
    right.plot([], [], "o-", ms=4, color="black", label="it is better")
    right.plot([], [], "o:", ms=4, color="black", label="it is not")
    right.legend(frameon=False, fontsize=9, loc="center left")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xticks(louder, [f"{loud:g}" for loud in louder])
        axis.minorticks_off()
        axis.set_xlabel("times by which the new policy overstates its values")
        axis.spines[["top", "right"]].set_visible(False)
    drawing.savefig(figure)


def peer(_: int) -> None:
    """The sums under both are the same; theirs has the factor of all clusters and the normal quantile."""
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(14), [2, 3, 4, 5, 6, 20, 30] * 2)
    arm = np.where(cluster < 7, OLD, NEW)
    y = rng.normal(size=14)[cluster] + rng.normal(size=len(cluster)) + (arm == NEW)
    design = np.column_stack([np.ones(len(y)), arm == NEW]).astype(float)
    theirs = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    ours = compare(cluster_levels(y, arm, cluster), NEW)
    error = cluster_difference_z(y, arm, cluster)[1]
    print(f"difference: ours {float(ours.value):.9f}, statsmodels {theirs.params[1]:.9f}")
    print(
        f"standard error: CR1 by hand {error:.9f}, statsmodels {theirs.bse[1]:.9f}, "
        f"ratio {error / theirs.bse[1]:.9f}"
    )
    print(
        f"ours (CR2) {float(ours.std_error):.6f}, {float(ours.degrees):.2f} degrees of freedom; "
        "statsmodels: normal"
    )
    wider = float(ours.high - ours.low) / float(np.ptp(theirs.conf_int()[1]))
    print(f"width of the interval, ours over theirs {wider:.3f}")


RUNS: dict[str, tuple[Callable[[int], None], int]] = {
    "coverage": (coverage, 1000),
    "looks": (looks, 200_000),
    "carry": (carry, 1000),
    "peer": (peer, 1),
}

if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["coverage"]
    if what == "budget":
        budget(int(rest[0]) if rest else 200, Path(rest[1]) if len(rest) > 1 else None)
    else:
        job, runs = RUNS[what]
        job(int(rest[0]) if rest else runs)
