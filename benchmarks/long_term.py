"""Long-term values in worlds: trained from logs only, judged by lives under the same luck.

    python benchmarks/long_term.py --worlds presets,family:1-20 --out results --d3rlpy /tmp/d3/bin/python
    python benchmarks/long_term.py --worlds presets --log-users 12000 --out results
    python benchmarks/long_term.py --worlds presets,family:1-20 --out results --policies long-term --again
    python benchmarks/long_term.py --out results --read

In each world, six weeks of other people are logged by the policy `random`. Then the same people live through
the period with each policy, see `POLICIES`, and, fewer of them, with the look-ahead oracle. The utility is
the configured one of all that happens in the period: active days, minutes, conversions, opt-outs. What
evaluation promised stands beside what came of it (`long_term_promise.py`).

Each row is a file in a folder of its world, seed and log. A run that was stopped goes on where it was;
`--policies` runs some rows alone, and `--again` forgets them first. For a new learner of long-term values
these are long-term, promise and one-step-long-term. d3rlpy's two need an interpreter that has it, see
`long_term_d3rlpy.py`; without one they are left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from long_term_promise import branch_days, branched
from long_term_school import PEERS, School, Sizes
from long_term_tables import PROMISED, show
from numpy.typing import NDArray

from homing.lifecycle.worlds.measures import lives
from homing.lifecycle.worlds.rollout import Rollout, rollout
from homing.schema import Config
from homing.simulator import world_maker

PRESETS = ("streaming", "commerce", "learning", "news", "adverse", "drifting")
FREE = ("hold", "random")  # learn nothing
LEARNED = ("greedy", "greedy-penalty", "greedy-tuned", "recovering", "short-term", "long-term")
POLICIES = (*FREE, *LEARNED, *PEERS)
BOUNDS = {  # and who lives in them, with fewer people
    "oracle": "look-ahead-oracle",
    "oracle-one-step": "one-step-oracle",
    "oracle-random": "random",
}
FACTS = ("one-step-random", *(f"one-step-{name}" for name in PROMISED))
ROWS = (*POLICIES, *BOUNDS, "promise", *FACTS)
ONE_THREAD = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "MKL_NUM_THREADS")


def utility(run: Rollout, config: Config) -> NDArray[np.float64]:
    """Return the utility of each person's period: float64 [people]."""
    told = lives(run)
    columns = {measure.name: told.numbers[:, place] for place, measure in enumerate(told.measures)}
    weights = {
        "active days": config.objectives["retention"].weight,
        "minutes": config.objectives["engagement"].weight,
        "conversions": config.objectives["conversion"].weight,
        "opt-outs": -config.objectives["reachability"].weight,
    }
    return sum(weight * columns[name] for name, weight in weights.items())


def row(school: School, name: str) -> NDArray[np.float64] | dict[str, Any]:
    """Return what one row is: utilities by person, or promises."""
    if name == "promise":
        return school.promises
    if name in FACTS:
        part = next(school.others.parts())  # of a log that is too long for one world
        world, other = world_maker(school.world)(part), name.removeprefix("one-step-")
        branch = branch_days(len(world.users), world.days, school.config, school.sizes.seed)
        log = school.contender("random", world)
        other = None if other == "random" else school.contender(other, world)
        return branched(world, log, other, branch, school.config, school.words)
    people = school.sizes.oracle_people if name in BOUNDS else school.sizes.people
    world = world_maker(school.world)(replace(school.setup, users=people))
    free = name in (*BOUNDS, *FREE)
    contender = school.contender(BOUNDS.get(name, name), world)
    return utility(rollout(world, contender, school.config, None if free else school.words), school.config)


def folder_of(out: Path, world: str, sizes: Sizes) -> Path:
    """Return where the rows of one world are."""
    return out / f"{world.replace(':', '-')}-seed{sizes.seed}-users{sizes.log_users}-weeks{sizes.weeks}"


def one_world(world: str, sizes: Sizes, out: Path, rows: tuple[str, ...], d3rlpy: Path | None) -> None:
    """Make the rows of one world that are not there yet."""
    folder = folder_of(out, world, sizes)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"world": world} | asdict(sizes)
    told = folder / "settings.json"
    if told.is_file() and (found := json.loads(told.read_text())) != settings:
        sys.exit(f"{folder} has results of {found}, not of {settings}; name another folder with --out")
    told.write_text(json.dumps(settings))
    with tempfile.TemporaryDirectory(prefix="homing-") as root:
        school = School(world, sizes, Path(root), d3rlpy)
        for name in rows:
            path = folder / f"{name}.json"
            if path.is_file():
                continue
            began = cpu_s()
            made = row(school, name)
            made = made if isinstance(made, dict) else made.tolist()
            aside = path.with_suffix(f".{os.getpid()}")
            aside.write_text(json.dumps({"cpu_s": round(cpu_s() - began, 1), "found": made}))
            aside.rename(path)
            print(f"{world}: {name}, {cpu_s() - began:.0f} CPU-s", file=sys.stderr, flush=True)


def run(
    asked: Iterable[tuple[str, Sizes]],
    out: Path,
    rows: tuple[str, ...],
    d3rlpy: Path | None = None,
    workers: int = 1,
) -> None:
    """Make the rows of several worlds, in order, by processes of one thread each."""
    for name in ONE_THREAD:  # read when the processes import what has threads
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = {pool.submit(one_world, world, sizes, out, rows, d3rlpy): world for world, sizes in asked}
        for job in as_completed(jobs):
            if error := job.exception():  # a world that fails must not take the others with it
                print(f"{jobs[job]}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def cpu_s() -> float:
    """Return CPU seconds of this process and of those that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


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
    for name, default in asdict(Sizes()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--policies", default=",".join(ROWS), help="rows to run; all by default")
    parser.add_argument("--again", action="store_true", help="forget these rows first")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--d3rlpy", type=Path, help="an interpreter that has d3rlpy")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--read", action="store_true", help="show what is there")
    asked = parser.parse_args()
    if not asked.read:
        sizes = Sizes(**{name: getattr(asked, name) for name in asdict(Sizes())})
        rows = tuple(asked.policies.split(","))
        if unknown := set(rows) - set(ROWS):
            parser.error(f"--policies has {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
        rows = tuple(name for name in rows if asked.d3rlpy or name not in PEERS)
        worlds = worlds_of(asked.worlds)
        for world, name in itertools.product(worlds if asked.again else (), rows):
            (folder_of(asked.out, world, sizes) / f"{name}.json").unlink(missing_ok=True)
        run([(world, sizes) for world in worlds], asked.out, rows, asked.d3rlpy, asked.workers)
    show(asked.out)


if __name__ == "__main__":
    main()
