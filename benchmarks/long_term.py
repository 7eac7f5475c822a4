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


def configurations():
    """Return the configuration with windows alone, and the one with horizons."""
    from homing.lifecycle.ground import with_click
    from homing.schema import Config, parse_config

    told = with_click(Config()).model_dump(mode="json", exclude_none=True)
    told["engine"]["threads"] = 1
    told["training"]["split"] = "user"
    told["training"]["members"] = 1
    short = parse_config(told)
    for objective in told["objectives"].values():
        if objective["scope"] == "user":
            objective["horizon"] = HORIZON
    return short, parse_config(told)


def utility(lives, config) -> np.ndarray:
    """Return the utility of each person's period: float64 [people]."""
    columns = {measure.name: lives.numbers[:, place] for place, measure in enumerate(lives.measures)}
    weights = {
        "active days": config.objectives["retention"].weight,
        "minutes": config.objectives["engagement"].weight,
        "conversions": config.objectives["conversion"].weight,
        "opt-outs": -config.objectives["reachability"].weight,
    }
    return sum(weight * columns[name] for name, weight in weights.items())


def one_world(world: str, log_users: int, people: int, days: int, oracle_people: int, seed: int) -> dict:
    """Return each policy's mean utility a person against the logging policy's, with standard errors."""
    from homing.lifecycle.contender import Contender
    from homing.lifecycle.entrants import Trained, find_entrant
    from homing.lifecycle.ground import Ground
    from homing.lifecycle.measures import lives
    from homing.lifecycle.oracles import look_ahead
    from homing.lifecycle.progress import Silent
    from homing.lifecycle.rollout import rollout
    from homing.lifecycle.simulate import simulate
    from homing.lifecycle.train import train
    from homing.schema.reference import default_toml
    from homing.schema.times import DAY
    from homing.simulator import PART_USERS, Setup, world_maker
    from homing.store import Workspace, ingest

    began, clock = time.process_time(), {}
    short, long = configurations()
    setup = Setup(users=people, days=days, seed=seed, channels=tuple(long.channels))
    others = replace(setup, users=log_users, days=42, start=setup.start - 42 * DAY, first=PART_USERS)
    with tempfile.TemporaryDirectory(prefix="homing-") as folder:
        root, grounds = Path(folder), {}
        simulate(root / "log", world, others, "random", short, workers=1, progress=Silent())
        clock["log"] = time.process_time() - began
        for name, config in (("short-term", short), ("long-term", long)):
            workspace = Workspace.create(root / name, default_toml(config))
            ingest(workspace, [root / "log"])
            train(workspace)
            grounds[name] = Ground.of(workspace)
            clock[name] = time.process_time() - began - sum(clock.values())
        curves = grounds["long-term"].release.model.advantage
        maker = world_maker(world)

        def live(name: str, size: int) -> np.ndarray:
            lived = maker(replace(setup, users=size))
            if name in grounds:
                ground = grounds[name]
                policy = replace(ground.release.greedy(), name=name)
                contender = Contender(name, policy, ground.score)
                words = ground.vocabularies
            elif name == ORACLE:
                contender, words = look_ahead(long, days=28, replicates=24)(lived), None
            else:
                known = find_entrant(name)
                made = known.make(grounds["short-term"]) if isinstance(known, Trained) else known.make(short)
                contender, words = made(lived), grounds["short-term"].vocabularies
            return utility(lives(rollout(lived, contender, short, words)), short)

        told = {}
        for name in POLICIES:
            told[name] = live(name, people)
        clock["lives"] = time.process_time() - began - sum(clock.values())
        base = told["random"]
        result = {
            "world": world,
            "seed": seed,
            "base": float(base.mean()),
            "gain": {name: float((own - base).mean()) for name, own in told.items()},
            "se": {name: float((own - base).std(ddof=1) / np.sqrt(people)) for name, own in told.items()},
            "best": {
                name: [
                    float((told["long-term"] - own).mean()),
                    float((told["long-term"] - own).std(ddof=1) / np.sqrt(people)),
                ]
                for name, own in told.items()
            },
            "half_lives": dict(zip(curves.objectives, (c.half_life for c in curves.curves), strict=True)),
        }
        if oracle_people:
            few = {name: live(name, oracle_people) for name in (ORACLE, "random")}
            difference = few[ORACLE] - few["random"]
            result["oracle"] = [
                float(difference.mean()),
                float(difference.std(ddof=1) / np.sqrt(len(difference))),
            ]
            clock["oracle"] = time.process_time() - began - sum(clock.values())
    result["cpu_s"] = {name: round(seconds, 1) for name, seconds in clock.items()}
    return result


def show(results: list[dict]) -> None:
    """Print each world's gains over the logging policy, and how often long-term values come first or tie."""
    others = [name for name in POLICIES if name not in ("random",)]
    print(
        "gain of utility a person over the logging policy, +- one standard error; share of the oracle's gain"
    )
    print(f"{'world':12s} " + " ".join(f"{name:>17s}" for name in others) + f"{'oracle':>17s}  share")
    shares = []
    for r in sorted(results, key=lambda r: r["world"]):
        cells = " ".join(f"{r['gain'][name]:+9.3f} +-{r['se'][name]:.3f}" for name in others)
        oracle = r.get("oracle")
        share = r["gain"]["long-term"] / oracle[0] if oracle else float("nan")
        shares.append(share)
        tail = f"{oracle[0]:+9.3f} +-{oracle[1]:.3f}  {share:.0%}" if oracle else ""
        print(f"{r['world']:12s} {cells} {tail}")
    rivals = [name for name in others if name != "long-term"]
    first = sum(all(r["best"][n][0] > -1.96 * r["best"][n][1] for n in rivals) for r in results)
    ahead = sum(r["gain"]["long-term"] > -1.96 * r["se"]["long-term"] for r in results)
    print(f"first or tied: {first} of {len(results)}; not below the log: {ahead} of {len(results)}; ", end="")
    print(f"median share of the oracle's gain: {np.nanmedian(shares):.0%}")
    for name in rivals:
        wins = sum(r["best"][name][0] > 1.96 * r["best"][name][1] for r in results)
        losses = sum(r["best"][name][0] < -1.96 * r["best"][name][1] for r in results)
        print(
            f"  against {name}: better in {wins}, worse in {losses}, no difference in {len(results) - wins - losses}"
        )


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
