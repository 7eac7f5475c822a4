"""Analysis of experiments, beside tea-tasting, gbstats, statsmodels, spotify-confidence and confseq.

The peers need an environment of their own, where gbstats's bounds on numpy and pandas are set aside:

    python3.11 -m venv /tmp/peers-exp
    /tmp/peers-exp/bin/pip install spotify-confidence==4.1.0 tea-tasting==1.14 gbstats==0.8.0
    /tmp/peers-exp/bin/pip install duckdb polars pyarrow narwhals pydantic "numpy>=2,<2.5" "pandas>=2.2,<3"

confseq 0.0.11 is compiled, against Boost and with a pybind11 that its own build does not ask for:

    pip=/tmp/peers-exp/bin/pip
    $pip install boost-headers scikit-build cmake ninja "pybind11<3" "setuptools<70" wheel
    boost=$(/tmp/peers-exp/bin/python -c "import boost_headers as b; print(b.get_include())")
    CPLUS_INCLUDE_PATH=$boost CMAKE_ARGS=-DBoost_INCLUDE_DIR=$boost PATH=/tmp/peers-exp/bin:$PATH \\
        $pip install --no-build-isolation confseq==0.0.11

    PYTHONPATH=src /tmp/peers-exp/bin/python benchmarks/experiments.py equal      numbers side by side
    PYTHONPATH=src /tmp/peers-exp/bin/python benchmarks/experiments.py coverage   of relative intervals
    PYTHONPATH=src /tmp/peers-exp/bin/python benchmarks/experiments.py rule       errors of the decision rule
    PYTHONPATH=src /tmp/peers-exp/bin/python benchmarks/experiments.py rows       12,000 results, sequential
    PYTHONPATH=src /tmp/peers-exp/bin/python benchmarks/experiments.py speed [users] [folder]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from homing.experiments import (
    Axis,
    Criterion,
    Moments,
    Rule,
    adjust,
    adjusted_p_values,
    always_valid,
    always_valid_p,
    crossing_probability,
    difference,
    from_arrays,
    from_sums,
    from_table,
    group_sequential,
    hazard_ratio,
    kaplan_meier,
    mean,
    products_for,
    proportion,
    ratio,
    sample_ratio_at_all_looks,
    ships,
    simulate_rule,
)
from homing.statistics import best_mixing

METRICS = [f"metric{k}" for k in range(8)]
BEFORE = [f"before{k}" for k in range(8)]
COVARIATES = dict(zip(METRICS, ([each] for each in BEFORE), strict=True))
PAIRS = list(zip(METRICS, BEFORE, strict=True))


def shown(name: str, ours: Any, peer: Any, why: str = "") -> None:
    a, b = np.asarray(ours, np.float64), np.asarray(peer, np.float64)
    apart = float(np.max(np.abs(a - b) / np.abs(b)))
    verdict = "equal" if apart < 1e-6 else f"differs by {apart:.1e}: {why or 'NOT EXPLAINED'}"
    print(f"{name:48s} ours {np.round(a, 6).tolist()} peer {np.round(b, 6).tolist()} {verdict}")


def sample(users: int = 4000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arm = rng.integers(0, 2, users)
    sends = rng.poisson(5, users) + 1
    rate = rng.beta(2, 5, users)
    before = rng.poisson(4 * rate).astype(float)
    clicks = rng.binomial(sends, np.minimum(rate * (1 + 0.1 * arm), 1)).astype(float)
    bought = (rng.random(users) < 0.2 + 0.03 * arm).astype(float)
    return {"arm": arm, "sends": sends.astype(float), "clicks": clicks, "before": before, "bought": bought}


def interval(found: Any) -> list[float]:
    return [float(found.value), float(found.low), float(found.high)]


def equal() -> None:
    data = sample()
    moments = from_arrays(
        np.where(data["arm"] == 1, "new", "control"), {k: v for k, v in data.items() if k != "arm"}
    )
    _tea_tasting(data, moments)
    _statsmodels(data, moments)
    _survival()
    _gbstats(data, moments)
    _spotify(data, moments)
    _confseq()


def _tea_tasting(data: dict[str, np.ndarray], moments: Moments) -> None:
    import pyarrow as pa
    import tea_tasting as tt

    metrics = {
        "mean": (tt.Mean("clicks"), moments, mean("clicks")),
        "ratio": (tt.RatioOfMeans("clicks", "sends"), moments, ratio("clicks", "sends")),
        "CUPED": (
            tt.Mean("clicks", "before"),
            adjust(moments, {"clicks": ["before"]}, slopes="total"),
            mean("clicks"),
        ),
    }
    table = pa.table({"variant": data["arm"], **{k: v for k, v in data.items() if k != "arm"}})
    found = tt.Experiment({name: each[0] for name, each in metrics.items()}).analyze(table)
    for name, (_, at, metric) in metrics.items():
        peer, ours = found[name], difference(at, metric, "new")
        shown(
            f"tea-tasting {name}",
            [*interval(ours), ours.p_value],
            [peer.effect_size, peer.effect_size_ci_lower, peer.effect_size_ci_upper, peer.pvalue],
        )
        log = difference(at, metric, "new", scale="log")
        shown(
            f"tea-tasting {name}, relative (log ratio)",
            interval(log),
            [peer.rel_effect_size, peer.rel_effect_size_ci_lower, peer.rel_effect_size_ci_upper],
            "tea-tasting leaves out the noise of the covariate's common mean" if name == "CUPED" else "",
        )


def _statsmodels(data: dict[str, np.ndarray], moments: Moments) -> None:
    import statsmodels.api as sm
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import confint_proportions_2indep
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    new, old = (data["clicks"][data["arm"] == a] for a in (1, 0))
    compared = CompareMeans(DescrStatsW(new), DescrStatsW(old))
    ours = difference(moments, mean("clicks"), "new")
    shown("statsmodels Welch", interval(ours)[1:], compared.tconfint_diff(usevar="unequal"))
    shown("statsmodels Welch p", ours.p_value, compared.ttest_ind(usevar="unequal")[1])
    counts = [x for a in (1, 0) for x in (data["bought"][data["arm"] == a].sum(), (data["arm"] == a).sum())]
    ours = difference(moments, proportion("bought"), "new", distribution="normal")
    shown(
        "statsmodels proportions, Wald",
        interval(ours)[1:],
        confint_proportions_2indep(*counts, method="wald"),
    )
    log = difference(moments, proportion("bought"), "new", distribution="normal", scale="log")
    peer = np.array(confint_proportions_2indep(*counts, method="log", compare="ratio")) - 1
    shown("statsmodels ratio of proportions, log", interval(log)[1:], peer)
    design = np.column_stack([np.ones(len(data["arm"])), data["arm"], data["before"] - data["before"].mean()])
    fitted = sm.OLS(data["clicks"], design).fit()
    within = difference(adjust(moments, {"clicks": ["before"]}, slopes="within"), mean("clicks"), "new")
    shown("statsmodels OLS with a covariate", within.value, fitted.params[1])
    shown(
        "statsmodels OLS standard error",
        within.std_error,
        fitted.bse[1],
        "ours lets variances differ by arm, theirs pools them",
    )
    p = np.random.default_rng(1).random(12) ** 3
    names = {"holm": "holm", "hommel": "hommel", "benjamini_hochberg": "fdr_bh", "bonferroni": "bonferroni"}
    for name, theirs in names.items():
        ours_p = adjusted_p_values(p, name)
        shown(f"statsmodels {name} (last 3)", ours_p[-3:], multipletests(p, method=theirs)[1][-3:])


def _survival() -> None:
    from statsmodels.duration.hazard_regression import PHReg
    from statsmodels.duration.survfunc import SurvfuncRight, survdiff

    rng = np.random.default_rng(2)
    arm = rng.integers(0, 2, 2000)
    event, seen = np.ceil(rng.exponential(10 / (1 + 0.3 * arm))), np.ceil(rng.uniform(0, 30, 2000))
    at, happened = np.minimum(event, seen), event <= seen
    names = np.where(arm == 1, "new", "control")
    ours = hazard_ratio(names, at, happened, "new")
    fitted = PHReg(at, arm[:, None], status=happened, ties="efron").fit()
    shown("statsmodels hazard ratio (Efron)", ours.ratio, np.exp(fitted.params[0]))
    shown("statsmodels its interval", [ours.low, ours.high], np.exp(fitted.conf_int()[0]))
    shown("statsmodels log-rank", ours.p_value, survdiff(at, happened, arm)[1])
    curve, peer = kaplan_meier(at, happened), SurvfuncRight(at, happened)
    shown("statsmodels Kaplan-Meier (last 2)", curve.survival[-2:], peer.surv_prob[-2:])
    shown("statsmodels Greenwood (last 2)", curve.std_error[-2:], peer.surv_prob_se[-2:])


def _gbstats(data: dict[str, np.ndarray], moments: Moments) -> None:
    from gbstats.frequentist.tests import (
        FrequentistConfig,
        OneSidedTreatmentLesserTTest,
        SequentialConfig,
        SequentialTwoSidedTTest,
        TwoSidedTTest,
    )
    from gbstats.models.statistics import RegressionAdjustedStatistic, SampleMeanStatistic

    def statistic(column: str, arm: int) -> Any:
        x = data[column][data["arm"] == arm]
        return SampleMeanStatistic(n=len(x), sum=x.sum(), sum_squares=(x**2).sum())

    def adjusted(arm: int) -> Any:
        here = data["arm"] == arm
        product = float((data["clicks"] * data["before"])[here].sum())
        return RegressionAdjustedStatistic(
            n=int(here.sum()),
            post_statistic=statistic("clicks", arm),
            pre_statistic=statistic("before", arm),
            post_pre_sum_of_products=product,
            theta=0,
        )

    pair = statistic("clicks", 0), statistic("clicks", 1)
    absolute = FrequentistConfig(difference_type="absolute")
    ours = difference(moments, mean("clicks"), "new")
    peer = TwoSidedTTest(*pair, absolute).compute_result()
    shown("gbstats absolute", [*interval(ours), ours.p_value], [peer.expected, *peer.ci, peer.p_value])
    relative = difference(moments, mean("clicks"), "new", scale="delta")
    peer = TwoSidedTTest(*pair, FrequentistConfig(difference_type="relative")).compute_result()
    shown(
        "gbstats relative (delta)",
        interval(relative),
        [peer.expected, *peer.ci],
        "it takes the degrees of freedom of the absolute difference",
    )
    cuped = difference(adjust(moments, {"clicks": ["before"]}, slopes="total"), mean("clicks"), "new")
    peer = TwoSidedTTest(adjusted(0), adjusted(1), absolute).compute_result()
    shown("gbstats CUPED", interval(cuped), [peer.expected, *peer.ci])
    config = SequentialConfig(difference_type="absolute", sequential_tuning_parameter=5000)
    peer = SequentialTwoSidedTTest(*pair, config).compute_result()
    best_at = float(ours.std_error) * np.sqrt(len(data["arm"]) / 5000)
    critical = always_valid(ours.std_error, best_at)
    valid = difference(moments, mean("clicks"), "new", critical=critical)
    p = always_valid_p(ours.value[None], ours.std_error[None], best_at)[0]
    shown("gbstats sequential", [*interval(valid), p], [peer.expected, *peer.ci, peer.p_value])
    less = difference(moments, mean("clicks"), "new", alternative="less")
    peer = OneSidedTreatmentLesserTTest(*pair, absolute).compute_result()
    shown("gbstats one-sided, upper bound", less.high, peer.ci[1], "it subtracts what it should add")


def _spotify(data: dict[str, np.ndarray], moments: Moments) -> None:
    import pandas as pd
    import spotify_confidence

    rows = []
    for arm, name in enumerate(("control", "new")):
        x = data["clicks"][data["arm"] == arm]
        rows.append((name, x.sum(), (x**2).sum(), len(x)))
    frame = pd.DataFrame(rows, columns=["arm", "sum", "squares", "n"])
    test = spotify_confidence.StudentsTTest(frame, "sum", "squares", "n", "arm")
    found = test.difference("control", "new").iloc[0]
    ours = difference(moments, mean("clicks"), "new")
    shown(
        "spotify-confidence absolute",
        [*interval(ours), ours.p_value],
        [found["difference"], found["ci_lower"], found["ci_upper"], found["p-value"]],
    )
    found = test.difference("control", "new", absolute=False).iloc[0]
    shown(
        "spotify-confidence relative",
        interval(difference(moments, mean("clicks"), "new", scale="delta")),
        [found["difference"], found["ci_lower"], found["ci_upper"]],
        "it divides the absolute interval by the control's mean",
    )
    # alphas of its own test suite: total 0.01, of 250, 450, 630, 810 units
    share = np.array([250, 450, 630, 810]) / 810
    spent = crossing_probability(-ndtri(np.array([0.00095, 0.00241, 0.00410, 0.00636]) / 2), share).cumsum()
    shown("spotify-confidence sequential, spends alpha t^2", 0.01 * share**2, spent, "rounded in its tests")


def _confseq() -> None:
    """Of Howard et al. (2021), at variances tuned to 100; its one-sided tuning is that of 2 alpha."""
    from confseq.boundaries import beta_binomial_log_mixture, normal_log_mixture, normal_mixture_bound

    variance, best, alpha = np.array([10.0, 50, 100, 400, 2000]), 100.0, 0.05
    error, estimate = 1 / np.sqrt(variance), np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    for side in ("two-sided", "greater"):
        tuned, one = (alpha / 2, True) if side == "greater" else (alpha, False)
        bound = normal_mixture_bound(variance, alpha, best, tuned, one)
        ours = always_valid(error, best**-0.5, alpha, side)
        shown(f"confseq normal mixture, {side}", ours, bound / np.sqrt(variance))
        evidence = normal_log_mixture(estimate * variance, variance, best, tuned, one)
        p = np.exp(-np.maximum.accumulate(np.maximum(evidence, 0)))
        ours = always_valid_p(estimate, error, best**-0.5, alpha, side)
        shown(f"confseq normal mixture, p, {side}", ours, p)
    count = np.array([[40.0, 60], [90, 110], [240, 160]])
    size = count.sum(axis=1)
    uniform = 0.75 * best_mixing(alpha)  # the tuning whose prior of the share is uniform
    evidence = beta_binomial_log_mixture(
        count[:, 0] - size / 2, size / 4, uniform, 0.5, 0.5, alpha, is_one_sided=False
    )
    p = np.exp(-np.maximum.accumulate(np.maximum(evidence, 0)))
    shown("confseq beta-binomial, sample ratio", sample_ratio_at_all_looks(count, [0.5, 0.5]), p)


def coverage(runs: int = 4000, users: int = 2000) -> None:
    """Share of 95 % intervals of a relative difference that hold the truth, metric like revenue."""
    rng = np.random.default_rng(0)
    for effect in (0.0, 0.1, 1.0):
        moments = simulated(rng, runs, users, effect)
        adjusted = adjust(moments, {"y": ["x"]})
        common = adjusted.shared
        assert common is not None
        without = Moments(
            adjusted.arms, adjusted.columns, adjusted.count, adjusted.mean, adjusted.scatter, adjusted.axes
        )
        told = [f"effect {effect:+.0%}"]
        for name, at in (("plain", moments), ("CUPED", adjusted), ("CUPED as in tea-tasting", without)):
            for scale in ("delta", "log", "fieller"):
                found = difference(at, mean("y"), "new", scale=scale)
                told.append(f"{name} {scale} {((found.low < effect) & (effect < found.high)).mean():.3f}")
            absolute = difference(at, mean("y"), "new")
            low, high = absolute.low / absolute.control_level, absolute.high / absolute.control_level
            told.append(f"{name} absolute / control {((low < effect) & (effect < high)).mean():.3f}")
        print("; ".join(told))


def simulated(rng: np.random.Generator, runs: int, users: int, effect: float) -> Moments:
    x = rng.gamma(0.5, 2, (runs, 2, users // 2))
    y = (x + rng.gamma(0.5, 1, x.shape)) * np.array([1.0, 1.0 + effect])[:, None]
    both = np.stack([y, x], -1)
    centre = both.mean(axis=2)
    both -= centre[:, :, None]
    scatter = np.einsum("rani,ranj->raij", both, both)
    count = np.full((runs, 2), users / 2)
    return Moments(("control", "new"), ("y", "x"), count, centre, scatter, (Axis("run", tuple(range(runs))),))


def rule(draws: int = 200_000) -> None:
    """How often the rule ships: planned with its beta per test, and with its beta for each test as it is."""
    for guardrails in (0, 1, 4):
        for correlation in (0.0, 0.5):
            told = [f"{guardrails} guardrails, correlation {correlation}"]
            names = [f"m{place}" for place in range(2 + guardrails)]
            past = from_sums(
                ["past"], names, [2.0], np.ones((1, len(names))), _squares(len(names), correlation)
            )
            success = [Criterion(mean(name), "success") for name in names[:2]]
            others = [Criterion(mean(name), "guardrail", margin=1.0) for name in names[2:]]
            decision = Rule((*success, *others), scale="absolute", distribution="normal")

            shipped = partial(_shipped, past, decision, draws)
            for name, beta in (("corrected", decision.beta_per_test), ("not corrected", decision.beta)):
                units = 4 * (ndtri(1 - decision.alpha) + ndtri(1 - beta)) ** 2  # for margins of 1
                effect = (ndtri(1 - decision.alpha / 2) + ndtri(1 - beta)) * np.sqrt(4 / units)
                told.append(f"ships a success, beta {name}, {shipped({'m0': effect}, units):.3f}")
            told.append(f"ships nothing {shipped({}, units):.3f}")
            if guardrails:
                told.append(f"ships a guardrail at its margin {shipped({'m0': 9.0, 'm2': -1.0}, units):.3f}")
            print("; ".join(told))


def _shipped(past: Moments, decision: Rule, draws: int, effects: dict[str, float], units: float) -> float:
    return float(ships(decision, *simulate_rule(past, decision, effects, units, draws=draws)).mean())


def _squares(size: int, correlation: float) -> np.ndarray:
    """Sums of products of two units with a mean of 1/2, variances of 1 and one correlation."""
    return (np.full((size, size), correlation) + (1 - correlation) * np.eye(size))[None] + 0.5


def rows() -> None:
    """8 metrics x 20 segments x 75 days: always-valid and group sequential intervals, and the rows."""
    rng = np.random.default_rng(0)
    shape = (20, 75, 2)
    count = rng.poisson(500, shape).astype(float)
    centre = rng.normal(1, 0.1, (*shape, 8))
    scatter = count[..., None, None] * np.eye(8)
    axes = (Axis("segment", tuple(range(20))), Axis("day", tuple(range(75))))
    moments = Moments(("control", "new"), tuple(METRICS), count, centre, scatter, axes)
    start = time.perf_counter()
    running = moments.accumulate("day")
    bounds = group_sequential(np.arange(1, 76) / 75)
    table: list[dict[str, Any]] = []
    for name in METRICS:
        first = difference(running, mean(name), "new", scale="log", critical=bounds.critical)
        always = always_valid(first.std_error, float(np.median(first.std_error[:, -1])))
        table += difference(running, mean(name), "new", scale="log", critical=always).to_rows()
    print(f"{len(table):,} rows by two sequential methods: {time.perf_counter() - start:.2f} s")


def write(users: int, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(0), None
    for start in range(0, users, 500_000):
        size = min(500_000, users - start)
        columns: dict[str, Any] = {"arm": np.where(rng.random(size) < 0.5, "control", "new")}
        for place, (now, before) in enumerate(PAIRS):
            rate = rng.gamma(2, 0.5, size)
            for name in (before, now):
                drawn = rng.exponential(rate).round(2) if place % 2 else rng.poisson(rate).astype(np.int32)
                columns[name] = drawn
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def floor(path: Path) -> None:
    """The sums that CUPED needs, written by hand for Polars."""
    import polars as pl

    numbers = [pl.col(name).cast(pl.Float64) for name in (*METRICS, *BEFORE)]
    sums = [number.sum().name.prefix("sum ") for number in numbers]
    squares = [(number**2).sum().name.prefix("square ") for number in numbers]
    products = [(pl.col(a).cast(pl.Float64) * pl.col(b)).sum().alias(f"product {a}") for a, b in PAIRS]
    pl.scan_parquet(path).group_by("arm").agg(pl.len(), *sums, *squares, *products).collect()


def analysed(table: Any) -> None:
    moments = from_table(table, [*METRICS, *BEFORE], products=products_for(COVARIATES))
    adjusted = adjust(moments, COVARIATES, slopes="total")
    for name in METRICS:
        difference(adjusted, mean(name), "new", scale="log")


def ours_polars(path: Path) -> None:
    import polars as pl

    analysed(pl.scan_parquet(path))


def ours(path: Path) -> None:
    analysed(path)


def tea_tasting_duckdb(path: Path) -> None:
    import duckdb
    import tea_tasting as tt

    table = duckdb.connect().read_parquet(str(path))
    tt.Experiment({a: tt.Mean(a, b) for a, b in PAIRS}, variant="arm").analyze(table, control="control")


def tea_tasting_polars(path: Path) -> None:
    import polars as pl
    import tea_tasting as tt

    metrics = {a: tt.Mean(a, b) for a, b in PAIRS}
    tt.Experiment(metrics, variant="arm").analyze(pl.scan_parquet(path), control="control")


RUNS: dict[str, Callable[[Path], None]] = {
    "floor by Polars": floor,
    "Homing": ours,
    "Homing on a Polars scan": ours_polars,
    "tea-tasting on Polars": tea_tasting_polars,
    "tea-tasting on DuckDB": tea_tasting_duckdb,
}


def speed(users: int, folder: Path) -> None:
    path = folder / f"experiment-{users}.parquet"
    for size in (1000, users):
        if not (file := folder / f"experiment-{size}.parquet").exists():
            write(size, file)
    for name in RUNS:
        subprocess.run([sys.executable, __file__, "one", name, str(path)], check=True)


def one(name: str, path: Path) -> None:
    RUNS[name](
        path.with_name("experiment-1000.parquet")
    )  # imports are not part of the time, and count as memory
    wall, cpu = time.perf_counter(), time.process_time()
    RUNS[name](path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    took, used = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:24s} {took:.2f} s, {used:.2f} CPU-s, peak {peak:.2f} GB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    what, *rest = sys.argv[1:] or ["equal"]
    if what == "speed":
        folder = Path(rest[1]) if len(rest) > 1 else Path(tempfile.gettempdir())
        speed(int(rest[0]) if rest else 10_000_000, folder)
    elif what == "one":
        one(rest[0], Path(rest[1]))
    else:
        {"equal": equal, "coverage": coverage, "rule": rule, "rows": rows}[what]()
