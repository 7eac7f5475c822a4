"""Coverage and width of intervals on logs whose truth is known; users bring several dependent decisions.

python benchmarks/interval_coverage.py estimators [logs]  by estimator, normal intervals and bias
python benchmarks/interval_coverage.py intervals [logs]   by kind of interval
python benchmarks/interval_coverage.py looks [logs]       of twenty looks that stop at the first surprise
python benchmarks/interval_coverage.py tails [logs]       of heavy-tailed weights, and of those not warned of
"""

from __future__ import annotations

import sys
from collections import defaultdict

import numpy as np

from homing.evaluation import (
    Estimate,
    bootstrap,
    cluster,
    confidence_sequence,
    difference,
    dm,
    dr,
    empirical_bernstein,
    importance_weights,
    ips,
    on_policy,
    sndr,
    snips,
    weight_sequence,
)

STATES, CHOICES, MOST = 8, 5, 8
OVERLAPS = (("good", 0.05), ("medium", 0.3), ("thin", 1.0))


class World:
    """Users with a home state and a mood of their own; values are known exactly."""

    def __init__(self, rare: float) -> None:
        rng = np.random.default_rng(42)
        self.chance = rng.uniform(0.25, 0.75, (STATES, CHOICES))
        self.logging = 0.9 * rng.dirichlet(np.ones(CHOICES), STATES) + 0.1 / CHOICES
        rarest = np.eye(CHOICES)[self.logging.argmin(axis=1)]
        self.target = (1 - rare) * self.logging + rare * rarest
        self.guess = np.tile(self.chance.mean(axis=0) + 0.05, (STATES, 1))  # wrong: it ignores the state
        self.truth = float((self.target * self.chance).sum(axis=1).mean())
        self.logged_truth = float((self.logging * self.chance).sum(axis=1).mean())
        self.largest_weight = float((self.target / self.logging).max())

    def log(self, rng: np.random.Generator, users: int, most: int = MOST) -> None:
        """Draw a log of users with 1 to `most` decisions."""
        self.user = np.repeat(np.arange(users), rng.integers(1, most + 1, users))
        rows = len(self.user)
        home, mood = rng.integers(STATES, size=users)[self.user], rng.uniform(-0.2, 0.2, users)[self.user]
        state = np.where(rng.random(rows) < 0.7, home, rng.integers(STATES, size=rows))
        action = (rng.random((rows, 1)) > self.logging.cumsum(axis=1)[state][:, :-1]).sum(axis=1)
        self.reward = (rng.random(rows) < self.chance[state, action] + mood).astype(np.float64)
        self.weight = importance_weights(self.target[state, action], self.logging[state, action])
        self.of_target, self.guessed = self.target[state].ravel(), self.guess[state].ravel()
        self.of_choice = self.guess[state, action]

    def doubly(self, estimator, groups) -> Estimate:
        offsets = np.arange(0, len(self.user) * CHOICES + 1, CHOICES)
        return estimator(
            self.reward, self.weight, self.of_target, self.guessed, self.of_choice, offsets, groups
        )

    def by_estimator(self) -> dict[str, tuple[Estimate, float]]:
        groups = cluster(self.user, len(self.user))
        offsets = np.arange(0, len(self.user) * CHOICES + 1, CHOICES)
        found = {
            "ips": ips(self.reward, self.weight, groups),
            "snips": snips(self.reward, self.weight, groups),
            "dm": dm(self.of_target, offsets, self.guessed, groups),
            "dr": self.doubly(dr, groups),
            "sndr": self.doubly(sndr, groups),
            "dr, users ignored": self.doubly(dr, None),
        }
        values = {name: (estimate, self.truth) for name, estimate in found.items()}
        lift = difference(found["dr"], on_policy(self.reward, groups))
        return values | {"dr - on_policy": (lift, self.truth - self.logged_truth)}

    def by_interval(self, seed: int, users: int) -> dict[str, tuple[Estimate, float]]:
        groups, found = cluster(self.user, len(self.user)), {}
        width = MOST * self.largest_weight
        for name, estimate, factor in (
            ("snips", snips(self.reward, self.weight, groups), width),
            ("dr", self.doubly(dr, groups), MOST + 2 * width),
        ):
            found[f"{name}, normal"] = estimate
            found[f"{name}, bootstrap of 300"] = bootstrap(estimate, 300, seed)
            found[f"{name}, empirical Bernstein"] = empirical_bernstein(estimate, factor)
            found[f"{name}, confidence sequence"] = confidence_sequence(estimate, users)
        return {name: (estimate, self.truth) for name, estimate in found.items()}


def table(by_name: dict[str, list[tuple[Estimate, float]]], baseline: str) -> None:
    print(f"{'':<28} coverage  width/normal      bias      RMSE")
    usual = np.nanmean([e.high - e.low for e, _ in by_name[baseline]])
    for name, found in by_name.items():
        hit = np.mean([e.low <= truth <= e.high for e, truth in found])
        error = np.array([e.value - truth for e, truth in found])
        width = np.nanmean([e.high - e.low for e, _ in found]) / usual
        bias, rmse = np.nanmean(error), np.nanmean(error**2) ** 0.5
        print(f"{name:<28} {hit:8.3f} {width:13.2f} {bias:+9.4f} {rmse:9.4f}")


def settings(kind: str, logs: int) -> None:
    for users in (20, 100, 500):
        for label, rare in OVERLAPS:
            world, rng, found = World(rare), np.random.default_rng(1), defaultdict(list)
            for _ in range(logs):
                world.log(rng, users)
                drawn = int(rng.integers(2**31))
                named = world.by_estimator() if kind == "estimators" else world.by_interval(drawn, users)
                for name, pair in named.items():
                    found[name].append(pair)
            weighted = [e for e, _ in found["snips" if kind == "estimators" else "snips, normal"]]
            share = np.mean([e.effective_size / e.decisions for e in weighted])
            warned = np.mean([bool(e.warnings) for e in weighted])
            print(
                f"\n{users} users, {label} overlap: effective share {share:.2f}, {warned:.0%} of logs warned"
            )
            table(found, "snips" if kind == "estimators" else "snips, normal")


def looks(logs: int) -> None:
    users = 2000
    at = np.linspace(100, users, 20).astype(int)
    print(
        f"share of {logs} logs of {users:,} users in which any of 20 looks misses the truth; mean last width"
    )
    for label, rare in OVERLAPS:
        world, rng = World(rare), np.random.default_rng(2)
        missed, widths = defaultdict(int), defaultdict(float)
        for _ in range(logs):
            world.log(rng, users, most=1)
            seen = [snips(world.reward[:n], world.weight[:n]) for n in at]
            sequence = [confidence_sequence(e, users // 2) for e in seen]
            exact = weight_sequence(world.reward, world.weight, at, tightest_at=users // 2)
            bounds = {
                "normal": [(e.low, e.high) for e in seen],
                "confidence sequence": [(e.low, e.high) for e in sequence],
                "weight sequence, exact": list(zip(exact.low, exact.high, strict=True)),
            }
            for name, pairs in bounds.items():
                missed[name] += any(not low <= world.truth <= high for low, high in pairs)
                widths[name] += pairs[-1][1] - pairs[-1][0]
        for name, count in missed.items():
            print(f"{label:<8} {name:<24} {count / logs:6.3f} {widths[name] / logs:8.4f}")


def tails(logs: int) -> None:
    """Weights (1 - k) u^-k have mean 1 and a Pareto tail of shape k; outcomes are likelier at large ones."""
    print(f"{logs} logs a row; coverage of 95 % normal intervals of SNIPS")
    print("    k  decisions  warned  all logs  not warned")
    rng = np.random.default_rng(3)
    for shape in (0.2, 0.4, 0.6, 0.7, 0.8, 0.9):
        share = 0.5 ** (1 - shape)  # of the weight, at its larger half
        truth = 0.6 * share + 0.2 * (1 - share)
        for rows in (2_000, 50_000):
            hits, warned = [], []
            for _ in range(logs):
                place = rng.random(rows)
                reward = (rng.random(rows) < np.where(place < 0.5, 0.6, 0.2)).astype(np.float64)
                found = snips(reward, (1 - shape) * place**-shape)
                hits.append(found.low <= truth <= found.high)
                warned.append(bool(found.warnings))
            quiet = np.mean([hit for hit, told in zip(hits, warned, strict=True) if not told] or [np.nan])
            print(f"{shape:5.1f} {rows:10,} {np.mean(warned):7.1%} {np.mean(hits):9.3f} {quiet:11.3f}")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "intervals"
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    if what == "looks":
        looks(repeats)
    elif what == "tails":
        tails(repeats)
    else:
        settings(what, repeats)
