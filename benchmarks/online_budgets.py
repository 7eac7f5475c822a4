"""Decisions as users come, under budgets: value against hindsight, hard stops, and time a decision.

Run: python benchmarks/online_budgets.py [--users 4000] [--days 14]

A simulated log trains a release. Prices are solved on half of the users, as the forecast of a day. The others
come one at a time, as forecast, half as many, twice as many, or late (a quarter by noon), and `decide_now`
decides for each, with prices as planned or paced. In hindsight: expected utility with prices solved on those
who came. Budgets halve what the forecast would send of each channel, and of the opt-outs that it adds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from homing.allocation import Bounds, Demand, Pace, Solution, solve
from homing.decision import Meter, Prices, SharedLimits, Softmax, decide_now
from homing.decision.decide import offer
from homing.lifecycle.budgets.offers import Part
from homing.lifecycle.epoch import Scorer, users_at
from homing.lifecycle.release import Release
from homing.lifecycle.train import train
from homing.lifecycle.worlds.simulate import simulate
from homing.schema import Instants, Shard
from homing.schema.budgets import Budget
from homing.simulator import Setup
from homing.store import Workspace, ingest, load_shard

_TOML = """\
[workspace]
partitions = 1

[training]
epochs = 4
members = 1
"""
_EVERY = 20  # users between two looks at the counters
_CHANNELS = ("push", "email", "in_app")


def demand_of(
    shard: Shard, rows: Instants, release: Release, workspace: Workspace, limits: SharedLimits
) -> Demand:
    """Return what the users of these rows want."""
    context, _ = offer(shard, rows, workspace.config, Scorer(release, shard))
    part = Part.of(context, release.policy(), limits)
    return Demand(context.candidates.offsets, part.values, part.arm, limits.uses, part.own)


def solved(demand: Demand, most: np.ndarray, policy: Softmax) -> Solution:
    """Return the prices for these users."""
    bounds = Bounds(np.full(len(most), -np.inf), most)
    return solve(demand, bounds, policy.temperature, policy.floor)


def simulated_day(
    workspace: Workspace,
    shard: Shard,
    release: Release,
    policy: Softmax,
    rows: Instants,
    most: np.ndarray,
    pace: Pace | None,
    expected: np.ndarray,
) -> tuple[float, float, float]:
    """Decide for users in order; return their utility, the largest use of a limit, seconds a decision.

    Args:
        workspace: with the rules.
        shard: of the users.
        release: whose model scores.
        policy: with planned prices.
        rows: in the order in which they come.
        most: of each limit.
        pace: or None, for planned prices throughout.
        expected: share of the day's users that were expected by each arrival.
    """
    meter, gained = Meter.empty(len(most)), 0.0
    began = time.process_time()
    for start in range(0, len(rows), _EVERY):
        user = np.sort(rows.user[start : start + _EVERY])
        part = Instants(user, rows.at[start : start + _EVERY])
        score, passed = Scorer(release, shard), float(expected[start])
        drawn, meter = decide_now(shard, part, policy, workspace.config, score, meter, most, pace, passed)
        gained += float((drawn.values.astype(np.float64) @ release.weights).sum())
        gained -= float(score.hold_values @ release.weights)
    return gained, float((meter.used / most).max()), (time.process_time() - began) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=4_000)
    parser.add_argument("--days", type=int, default=14)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="homing-online-") as name:
        folder = Path(name)
        workspace = Workspace.create(folder / "workspace", _TOML)
        end = simulate(
            folder / "log", "streaming", Setup(given.users, given.days), "random", workspace.config
        ).end
        ingest(workspace, [folder / "log"])
        release = train(workspace).release
        shard = load_shard(workspace, 0).shard
        everyone = users_at(shard, end)
        names = [Budget(name=channel, channel=(channel,), max=1e9) for channel in _CHANNELS]
        names.append(Budget(name="opt-outs", counts="objective:reachability", max=1e9))
        config = release.config.model_copy(update={"budgets": tuple(names)})
        limits = SharedLimits.of(config, shard.vocabularies, shard.messages, None)
        order = np.random.default_rng(0).permutation(len(everyone))
        half = len(order) // 2

        def rows(places: np.ndarray) -> Instants:
            return Instants(everyone.user[places], everyone.at[places])

        free = release.policy()
        for title, size, came, late in (
            ("as forecast", half, half, False),
            ("half", half, half // 2, False),
            ("double", half // 2, half, False),
            ("late", half, half, True),
        ):
            forecast = demand_of(shard, rows(np.sort(order[:size])), release, workspace, limits)
            wanted = solved(forecast, np.full(len(limits), np.inf), free).certificate.totals
            most = 0.5 * wanted
            most[:3] = np.ceil(most[:3])
            plan = solved(forecast, most, free)
            arrivals = order[half : half + came]
            hindsight_demand = demand_of(shard, rows(np.sort(arrivals)), release, workspace, limits)
            hindsight = solved(hindsight_demand, most, free)
            held = hindsight_demand.values[hindsight_demand.offsets[:-1]].sum(dtype=np.float64)
            uniform = np.add.reduceat(
                hindsight_demand.values.astype(np.float64), hindsight_demand.offsets[:-1]
            )
            floor = float((uniform / hindsight_demand.counts).sum())
            best = (1 - free.floor) * hindsight.certificate.value + free.floor * floor - float(held)
            share = np.arange(came) / came
            # late: time of an arrival solves share = t / 2 up to noon, and 1.5 t - 0.5 after it
            expected = np.where(share < 0.25, 2 * share, (share + 0.5) / 1.5) if late else share
            pace = Pace.of(forecast, plan, most)
            policy = replace(free, prices=Prices(limits, plan.prices))
            for way, moved in (("planned prices", None), ("paced", pace)):
                gained, use, seconds = simulated_day(
                    workspace, shard, release, policy, rows(arrivals), most, moved, expected
                )
                print(
                    f"{title}, {way}: utility beyond hold {gained:.3f}, in hindsight {best:.3f}; largest use "
                    f"{use:.3f} of its maximum; {1e3 * seconds:.2f} CPU ms a decision",
                    flush=True,
                )


if __name__ == "__main__":
    main()
