"""Off-policy estimators: speed and memory beside obp, alarms of the propensity check.

python benchmarks/evaluation.py speed [rows]     obp is compared where it can be imported:
    python3.11 -m venv /tmp/obp && /tmp/obp/bin/pip install --ignore-requires-python --no-deps obp==0.5.7
    /tmp/obp/bin/pip install -e . scipy scikit-learn pandas seaborn tqdm pyyaml pyieoe torch==2.13.0
    /tmp/obp/bin/python benchmarks/evaluation.py speed 1000000
python benchmarks/evaluation.py checks [logs]    share of right and wrong logs that propensity checks accuse
"""

from __future__ import annotations

import contextlib
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from homing.evaluation import (
    Estimate,
    bootstrap,
    check_chosen,
    check_distribution,
    cluster,
    dm,
    dr,
    importance_weights,
    ips,
    probability_bins,
    sndr,
    snips,
)

ACTIONS = 10
RESAMPLES = 100


@dataclass
class Cost:
    value: Any
    cpu: float  # seconds
    wall: float  # seconds
    peak: float  # GiB allocated on top of the input


def measure(call: Callable[[], Any]) -> Cost:
    tracemalloc.start()
    cpu, wall = time.process_time(), time.perf_counter()
    value = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = tracemalloc.get_traced_memory()[1] / 2**30
    tracemalloc.stop()
    return Cost(value, cpu, wall, peak)


def peer() -> Any:
    """Return obp's estimators, or None."""
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.simplefilter("ignore")
        import obp.ope

        return obp.ope
    print("obp is not installed here; the head of this file says how to compare with it")
    return None


def speed(rows: int) -> None:
    rng = np.random.default_rng(0)
    logged = rng.dirichlet(np.ones(ACTIONS), 4096)[rng.integers(4096, size=rows)]
    target = rng.dirichlet(np.ones(ACTIONS), 4096)[rng.integers(4096, size=rows)]
    action = np.minimum((rng.random((rows, 1)) > logged.cumsum(axis=1)).sum(axis=1), ACTIONS - 1)
    propensity = logged[np.arange(rows), action]
    # propensities have a floor, as logs that are to be evaluated have
    propensity = 0.95 * propensity + 0.05 / ACTIONS
    del logged
    prediction = rng.random((rows, ACTIONS))
    reward = (rng.random(rows) < 0.1 + 0.01 * action).astype(np.float64)
    user = np.sort(rng.integers(0, rows // 10, rows))
    offsets = np.arange(0, rows * ACTIONS + 1, ACTIONS)
    choice = offsets[:-1] + action

    def weigh() -> Any:
        return importance_weights(target.ravel()[choice], propensity)

    def direct(groups: Any) -> Estimate:
        return dm(target.ravel(), offsets, prediction.ravel(), groups)

    def doubly(estimator: Callable[..., Estimate], groups: Any) -> Estimate:
        of_choice = prediction.ravel()[choice]
        return estimator(reward, weigh(), target.ravel(), prediction.ravel(), of_choice, offsets, groups)

    shared = measure(lambda: cluster(user, rows))
    print(
        f"\n{rows:,} rows, {ACTIONS} actions, {len(shared.value):,} users; grouping: {shared.cpu:.2f} CPU-s"
    )
    print("ours: weights, value, interval clustered by user, overlap; obp: weights and value only")
    calls: dict[str, Callable[[], Estimate]] = {
        "ips": lambda: ips(reward, weigh(), shared.value),
        "snips": lambda: snips(reward, weigh(), shared.value),
        "dm": lambda: direct(shared.value),
        "dr": lambda: doubly(dr, shared.value),
        "sndr": lambda: doubly(sndr, shared.value),
    }
    ours = {name: measure(call) for name, call in calls.items()}
    resampled = measure(
        lambda: [bootstrap(ours[name].value, RESAMPLES).std_error for name in ("ips", "snips", "dr")]
    )
    other = peer()
    theirs: dict[str, Cost] = {}
    if other is not None:
        names = {
            "ips": other.InverseProbabilityWeighting,
            "snips": other.SelfNormalizedInverseProbabilityWeighting,
            "dm": other.DirectMethod,
            "dr": other.DoublyRobust,
            "sndr": other.SelfNormalizedDoublyRobust,
        }
        arguments = {
            "reward": reward,
            "action": action,
            "pscore": propensity,
            "action_dist": target[:, :, None],
            "estimated_rewards_by_reg_model": prediction[:, :, None],
        }
        for name, kind in names.items():
            theirs[name] = measure(lambda kind=kind: kind().estimate_policy_value(**arguments))
    print("estimator   Mrows/CPU-s  peak GiB | obp Mrows/CPU-s  peak GiB  ratio of CPU  relative difference")
    for name, cost in ours.items():
        line = f"{name:<10} {rows / cost.cpu / 1e6:12.2f} {cost.peak:9.2f}"
        if name in theirs:
            them = theirs[name]
            apart = abs(them.value / cost.value.value - 1)
            line += (
                f" | {rows / them.cpu / 1e6:15.2f} {them.peak:9.2f} {them.cpu / cost.cpu:13.2f} {apart:20.1e}"
            )
        print(line)
    total = shared.cpu + sum(ours[name].cpu for name in ("ips", "snips", "dr")) + resampled.cpu
    print(
        f"ips + snips + dr with {RESAMPLES} resamples by user: {total:.2f} CPU-s "
        f"(resamples {resampled.cpu:.2f}), peak {max(c.peak for c in (*ours.values(), resampled)):.2f} GiB"
    )
    if other is not None:
        few = 10
        interval = measure(
            lambda: other.DoublyRobust().estimate_interval(
                n_bootstrap_samples=few, random_state=0, **arguments
            )
        )
        extra = max(interval.cpu - theirs["dr"].cpu, 0.0) / few
        one = measure(lambda: bootstrap(ours["dr"].value, RESAMPLES))
        print(
            f"one more resample of dr: obp {extra:.3f} CPU-s (rows as if independent), ours "
            f"{one.cpu / RESAMPLES:.5f} (users): ratio {extra / (one.cpu / RESAMPLES):,.0f}"
        )


def logged(rng: np.random.Generator, rows: int, boost: float) -> tuple[Any, ...]:
    counts = rng.integers(2, 15, rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(rows), counts)
    group = rng.integers(1, 4, offsets[-1])
    group[offsets[:-1]] = 0
    score = 2 * rng.normal(size=offsets[-1])

    def soft(values: Any) -> Any:
        chance = np.exp(values)
        return 0.95 * chance / np.add.reduceat(chance, offsets[:-1])[row] + 0.05 / counts[row]

    drawn = np.cumsum(soft(score + boost * (group == 1)))
    start = np.concatenate([[0], drawn])[offsets[:-1]]
    place = np.searchsorted(drawn, start + rng.random(rows) * (drawn[offsets[1:] - 1] - start), side="right")
    return soft(score), offsets, np.minimum(place, offsets[1:] - 1), group, counts


def checks(logs: int) -> None:
    print(f"share of {logs} logs accused (alpha 0.01); 4 decisions a user, 2 to 14 candidates\n")
    print("rows    fault                            by group  by bins  chosen only")
    for rows in (500, 3000, 20_000):
        for fault, boost, factor in (
            ("none", 0.0, 1.0),
            ("one channel drawn at odds x 1.10", 0.1, 1.0),
            ("one channel drawn at odds x 1.22", 0.2, 1.0),
            ("logged 10 % too low", 0.0, 0.9),
        ):
            rng = np.random.default_rng(7)
            accused = np.zeros(3)
            for _ in range(logs):
                chance, offsets, choice, group, counts = logged(rng, rows, boost)
                of_group = np.add.reduceat((group == 1).astype(np.int64), offsets[:-1])
                held = {
                    "hold": (group[choice] == 0, np.ones(rows)),
                    "channel": (group[choice] == 1, of_group),
                }
                chance = chance * factor
                accused += (
                    not check_distribution(chance, offsets, choice, group).passed,
                    not check_distribution(chance, offsets, choice, probability_bins(chance)).passed,
                    not check_chosen(chance[choice], counts, np.arange(rows) // 4, held).passed,
                )
            by_group, bins, chosen = accused / logs
            print(f"{rows:<7} {fault:<32} {by_group:8.3f} {bins:8.3f} {chosen:12.3f}")


def main(arguments: list[str]) -> None:
    jobs = {"speed": (speed, 1_000_000), "checks": (checks, 300)}
    if not arguments or arguments[0] not in jobs:
        raise SystemExit(__doc__)
    job, default = jobs[arguments[0]]
    job(int(arguments[1]) if len(arguments) > 1 else default)


if __name__ == "__main__":
    main(sys.argv[1:])
