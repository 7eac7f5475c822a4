"""Long-term values in worlds: trained from logs only, judged by lives under the same luck.

    python benchmarks/long_term.py --worlds presets,family:1-20 --workers 16 --json results.jsonl
    python benchmarks/long_term.py --read results.jsonl

In each world, six weeks of other people are logged by the policy `random`. Then the same people live through
the period with each policy: hold, random, click-greedy, greedy with a send penalty, recovering differences,
short-term values, long-term values (every objective with a horizon of 28 days), and, for fewer people, the
look-ahead oracle. The utility is the configured one of all that happens in the period: active days, minutes,
conversions, opt-outs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

PRESETS = ("streaming", "commerce", "learning", "news", "adverse", "drifting")
POLICIES = ("hold", "random", "greedy", "greedy-penalty", "recovering", "short-term", "long-term")
ORACLE = "look-ahead-oracle"
HORIZON = "28d"
Z = 1.96


class ShortTerm:
    """The response model under a long-term one: the same network, and no horizon."""

    def __init__(self, model) -> None:
        self.response, self.objectives = model.response, len(model.objectives)

    def predict(self, features) -> np.ndarray:
        """Return float32 [n, objectives]."""
        return self.response.predict(features)[:, : self.objectives]


def configuration():
    """Return the default objectives, each with a horizon."""
    from homing.lifecycle.ground import with_click
    from homing.schema import Config, parse_config

    told = with_click(Config()).model_dump(mode="json", exclude_none=True)
    told["engine"]["threads"] = 1
    told["training"]["members"] = 1
    for objective in told["objectives"].values():
        if objective["scope"] == "user":
            objective["horizon"] = HORIZON
    return parse_config(told)


def utility(run, config) -> np.ndarray:
    """Return the utility of each person's period: float64 [people]."""
    from homing.lifecycle.measures import lives

    told = lives(run)
    columns = {measure.name: told.numbers[:, place] for place, measure in enumerate(told.measures)}
    weights = {
        "active days": config.objectives["retention"].weight,
        "minutes": config.objectives["engagement"].weight,
        "conversions": config.objectives["conversion"].weight,
        "opt-outs": -config.objectives["reachability"].weight,
    }
    return sum(weight * columns[name] for name, weight in weights.items())


def schooled(root: Path, world: str, others, config):
    """Return what was learned from a log: with horizons, and without."""
    from homing.lifecycle.ground import Ground
    from homing.lifecycle.progress import Silent
    from homing.lifecycle.simulate import simulate
    from homing.lifecycle.train import train
    from homing.schema.reference import default_toml
    from homing.store import Workspace, ingest

    simulate(root / "log", world, others, "random", config, workers=1, progress=Silent())
    workspace = Workspace.create(root / "workspace", default_toml(config))
    ingest(workspace, [root / "log"])
    train(workspace)
    long = Ground.of(workspace)
    short = replace(long, release=replace(long.release, model=ShortTerm(long.release.model)))
    return long, short


def one_world(world: str, log_users: int, people: int, days: int, oracle_people: int, seed: int) -> dict:
    """Return each policy's mean utility a person against the logging policy's, with standard errors."""
    from homing.lifecycle.contender import Contender
    from homing.lifecycle.entrants import Trained, find_entrant
    from homing.lifecycle.oracles import look_ahead
    from homing.lifecycle.rollout import rollout
    from homing.schema.times import DAY
    from homing.simulator import PART_USERS, Setup, world_maker

    began, clock, config = time.process_time(), {}, configuration()
    setup = Setup(users=people, days=days, seed=seed, channels=tuple(config.channels))
    others = replace(setup, users=log_users, days=42, start=setup.start - 42 * DAY, first=PART_USERS)
    with tempfile.TemporaryDirectory(prefix="homing-") as folder:
        long, short = schooled(Path(folder), world, others, config)
        clock["log and training"] = time.process_time() - began

        def live(name: str, size: int) -> np.ndarray:
            lived = world_maker(world)(replace(setup, users=size))
            if name in ("long-term", "short-term"):
                ground = long if name == "long-term" else short
                contender = Contender(name, replace(ground.release.greedy(), name=name), ground.score)
            elif name == ORACLE:
                contender = look_ahead(config, days=28, replicates=12)(lived)
            else:
                known = find_entrant(name)
                contender = known.make(short if isinstance(known, Trained) else config)(lived)
            words = None if name == ORACLE else short.vocabularies
            return utility(rollout(lived, contender, config, words), config)

        told = {name: live(name, people) for name in POLICIES}
        clock["lives"] = time.process_time() - began - sum(clock.values())
        result = {
            "world": world,
            "seed": seed,
            "base": float(told["random"].mean()),
            "gain": {name: mean_and_error(own - told["random"]) for name, own in told.items()},
            "ahead": {name: mean_and_error(told["long-term"] - own) for name, own in told.items()},
            "half_lives": dict(
                zip(
                    long.release.model.advantage.objectives,
                    (curve.half_life for curve in long.release.model.advantage.curves),
                    strict=True,
                )
            ),
        }
        if oracle_people:
            result["oracle"] = mean_and_error(live(ORACLE, oracle_people) - live("random", oracle_people))
            clock["oracle"] = time.process_time() - began - sum(clock.values())
    result["cpu_s"] = {name: round(seconds, 1) for name, seconds in clock.items()}
    return result


def mean_and_error(values: np.ndarray) -> list[float]:
    """Return the mean of float64 [people] and its standard error."""
    return [float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))]


def show(results: list[dict]) -> None:
    """Print each world's gains over the logging policy, and how often long-term values come first or tie."""
    rivals = [name for name in POLICIES if name not in ("random", "long-term")]
    print("gain of utility a person over the logging policy +- one standard error, and the oracle's share")
    shown = [*rivals, "long-term", "oracle"]
    print(f"{'world':12s}" + "".join(f"{name:>17s}" for name in shown) + "  share")
    shares = []
    for r in sorted(results, key=lambda r: r["world"]):
        found = r["gain"] | {"oracle": r.get("oracle", [np.nan, np.nan])}
        shares.append(found["long-term"][0] / found["oracle"][0])
        cells = "".join(f"{found[name][0]:+10.3f} +-{found[name][1]:.3f}" for name in shown)
        print(f"{r['world']:12s}{cells}  {shares[-1]:.0%}")
    first = sum(all(r["ahead"][n][0] > -Z * r["ahead"][n][1] for n in rivals) for r in results)
    kept = sum(r["gain"]["long-term"][0] > -Z * r["gain"]["long-term"][1] for r in results)
    print(f"first or tied: {first} of {len(results)}; not below the log: {kept} of {len(results)}; ", end="")
    print(f"median share of the oracle's gain: {np.nanmedian(shares):.0%}")
    for name in rivals:
        better = sum(r["ahead"][name][0] > Z * r["ahead"][name][1] for r in results)
        worse = sum(r["ahead"][name][0] < -Z * r["ahead"][name][1] for r in results)
        print(f"  against {name}: better in {better}, worse in {worse}, of {len(results)}")


def worlds_of(text: str) -> list[str]:
    """Return worlds from `presets,family:1-20`."""
    found: list[str] = []
    for part in text.split(","):
        name, _, span = part.partition(":")
        if name == "presets":
            found += PRESETS
        elif "-" in span:
            low, high = span.split("-")
            found += [f"{name}:{number}" for number in range(int(low), int(high) + 1)]
        else:
            found.append(part)
    return found


def main() -> None:
    """Run worlds beside each other, or show what was run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", default="presets")
    parser.add_argument("--log-users", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=3_000)
    parser.add_argument("--days", type=int, default=42)
    parser.add_argument("--oracle-people", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--read", type=Path)
    asked = parser.parse_args()
    if asked.read:
        show([json.loads(line) for line in asked.read.read_text().splitlines()])
        return
    results = []
    sizes = (asked.log_users, asked.people, asked.days, asked.oracle_people, asked.seed)
    with ProcessPoolExecutor(asked.workers) as pool:
        jobs = {pool.submit(one_world, world, *sizes): world for world in worlds_of(asked.worlds)}
        for job in as_completed(jobs):
            try:
                results.append(job.result())
            except Exception as error:  # a world that fails must not take the others with it
                print(f"{jobs[job]}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                continue
            print(json.dumps(results[-1]), flush=True)
            if asked.json:
                with asked.json.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
    show(results)


if __name__ == "__main__":
    main()
