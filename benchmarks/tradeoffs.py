"""Trade-offs and journeys beside what a world does: the direction of the curve, the flow between stages.

    homing simulate --out log --users 6000 --days 42 && homing init ws && homing ingest log -w ws
    homing train -w ws && homing evaluate -w ws
    python benchmarks/tradeoffs.py -w ws --users 6000 --days 14

1. Other people of the same world live `--days` days with the learned policy at several weights of one
   objective, under the same luck; what becomes of them stands beside the change that evaluation estimated.
2. Other people live under the logging policy for as long as the log; their flow between lifecycle stages at
   the held-out epochs stands beside the estimated one.
3. The same people once more, but the learned policy decides on the first held-out day: what that changes in
   their stages stands beside the estimate for everyone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from homing.decision import Softmax
from homing.lifecycle.epoch import users_at
from homing.lifecycle.journeys import journeys
from homing.lifecycle.replay import stages_at
from homing.lifecycle.tradeoff import tradeoff
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.entrants import untrained
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.rollout import Rollout, rollout
from homing.schema import EVENT_TYPES, Instants
from homing.schema.times import DAY, parse_duration
from homing.simulator import PART_USERS, Setup, world_maker
from homing.state import STAGES
from homing.store import Workspace


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("-w", "--workspace", type=Path, required=True)
    options.add_argument("--world", default="streaming")
    options.add_argument("--objective", default="reachability")
    options.add_argument("--factors", type=float, nargs="+", default=[0.0, 1.0, 8.0])
    options.add_argument("--users", type=int, default=6000)
    options.add_argument("--days", type=int, default=14)
    options.add_argument("--log-days", type=int, default=42)
    asked = options.parse_args()
    workspace = Workspace.open(asked.workspace)
    ground = Ground.of(workspace)
    start = time.process_time()
    flows(workspace, ground, asked)
    curve(workspace, ground, asked)
    print(f"{time.process_time() - start:.0f} CPU-s")


def setup_of(ground: Ground, users: int, days: int) -> Setup:
    return Setup(users, days, first=PART_USERS, channels=tuple(ground.config.channels))


def curve(workspace: Workspace, ground: Ground, asked: argparse.Namespace) -> None:
    """Print what people do a day under several weights of one objective, beside the estimated changes."""
    sweep = next(s for s in tradeoff(workspace, {}).found.sweeps if s.objective == asked.objective)
    place = ground.release.objectives.index(asked.objective)
    points = {point.factor: point for point in sweep.points}
    counted = {o.event: name for name, o in workspace.config.objectives.items()}
    found = {}
    for factor in asked.factors:
        weights = ground.release.weights
        weights[place] *= factor
        temperature, floor = points[factor].temperature, ground.config.exploration.floor
        policy = Softmax(f"x {factor:g}", weights, temperature, floor)
        world = world_maker(asked.world)(setup_of(ground, asked.users, asked.days))
        run = rollout(world, Contender(policy.name, policy, ground.score), ground.config, ground.vocabularies)
        found[factor] = a_day(run, tuple(counted))
    print(f"weight of {asked.objective}: a person and day, {asked.users:,} people, {asked.days} days")
    for factor, numbers in found.items():
        gap = numbers - found[1.0]
        wide = 1.96 * gap.std(axis=0) / np.sqrt(len(gap))
        changes = {v.objective: v.change for v in points[factor].values}
        print(f"  x {factor:g}")
        for k, (event, name) in enumerate(counted.items()):
            told = changes[name]
            print(
                f"    {event}: {numbers[:, k].mean():.5f}, {gap[:, k].mean():+.5f} +- {wide[k]:.5f}; {name} "
                f"estimated {told.value:+.2g} [{told.low:.2g}, {told.high:.2g}] per decision"
            )


def a_day(run: Rollout, events: tuple[str, ...]) -> np.ndarray:
    """Return how often each event happened to each person, a day: float64 [people, events]."""
    log, people = run.world.events(0), len(run.world.users)
    counts = [
        np.bincount(log["user"][log["type"] == EVENT_TYPES.index(event)], minlength=people)
        for event in events
    ]
    return np.column_stack(counts) / len(run.log)


def flows(workspace: Workspace, ground: Ground, asked: argparse.Namespace) -> None:
    """Print flows of other people beside the estimated ones, and what one learned decision changes."""
    after = parse_duration(workspace.config.evaluation.journey)
    release, found = ground.release, journeys(workspace)
    logged = workspace.ledger.counts()["users"]
    logging = untrained("random", ground.config)
    runs = []
    for learned in (False, True):
        world = world_maker(asked.world)(setup_of(ground, asked.users, asked.log_days))
        run = Rollout(world, ground.config, ground.vocabularies)
        first = int((release.split.test_from - world.start) // DAY)
        for day in range(asked.log_days):
            take = learned and day == first
            contender = Contender("learned", release.policy(), ground.score) if take else logging(world)
            run.day([contender])
        runs.append(run)
    end = runs[0].world.start + asked.log_days * DAY

    def stage(run: Rollout, at: int) -> tuple[np.ndarray, np.ndarray]:
        shard = run.shard()
        rows = users_at(shard, at)
        there = stages_at(shard, release.view, rows, end)
        later = stages_at(shard, release.view, Instants(rows.user, rows.at + after), end)
        return there, later

    moves = np.zeros((len(STAGES), len(STAGES)))
    epochs = np.arange(int(release.split.test_from), end - after + 1, DAY)
    for at in epochs.tolist():
        there, later = stage(runs[0], at)
        np.add.at(moves, (there, later), 1)
    truth = moves / moves.sum(axis=1, keepdims=True)
    print(f"flows: {found.decisions:,} held-out decisions, {moves.sum():,.0f} of other people")
    inside = total = 0
    for flow in found.flows:
        if flow.start not in STAGES or not np.isfinite(flow.logged.low):  # it never happened
            continue
        there = truth[STAGES.index(flow.start), STAGES.index(flow.end)]
        # both are samples
        reach = np.sqrt(1 + logged / asked.users) * (flow.logged.high - flow.logged.value)
        inside, total = inside + (abs(there - flow.logged.value) <= reach), total + 1
        print(f"  {flow.start} -> {flow.end}: {there:.3f}, estimated {flow.logged.value:.3f} +- {reach:.3f}")
    print(f"  {inside} of {total} within the difference's interval")
    shares = [np.bincount(stage(run, int(epochs[0]))[1], minlength=len(STAGES)) for run in runs]
    for end_stage, change in zip(STAGES, (shares[1] - shares[0]) / shares[0].sum(), strict=True):
        flow = next(f for f in found.flows if (f.start, f.end) == ("everyone", end_stage))
        told = f"{flow.change.value:+.4f} [{flow.change.low:.4f}, {flow.change.high:.4f}]"
        print(f"  one decision learned, {end_stage}: {change:+.4f}, estimated {told}")


if __name__ == "__main__":
    main()
