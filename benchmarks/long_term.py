"""Long-term values in worlds: trained from logs only, judged by lives under the same luck.

    python benchmarks/long_term.py --worlds presets,family:1-20 --out results --d3rlpy /tmp/d3/bin/python
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
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

PRESETS = ("streaming", "commerce", "learning", "news", "adverse", "drifting")
PEERS = ("d3rlpy-cql", "d3rlpy-dqn")
FREE = ("hold", "random")  # learn nothing
LEARNED = ("greedy", "greedy-penalty", "greedy-tuned", "recovering", "short-term", "long-term")
POLICIES = (*FREE, *LEARNED, *PEERS)
BOUNDS = {  # and who lives in them, with fewer people
    "oracle": "look-ahead-oracle",
    "oracle-one-step": "one-step-oracle",
    "oracle-random": "random",
}
PROMISED = ("long-term", "short-term")
FACTS = ("one-step-random", *(f"one-step-{name}" for name in PROMISED))
ROWS = (*POLICIES, *BOUNDS, "promise", *FACTS)
HORIZON, DAYS, REPLICATES = "28d", 42, 12
Z = 1.96


@dataclass(frozen=True)
class Sizes:
    """What results of one folder have in common."""

    log_users: int = 6_000
    weeks: int = 6  # of the log
    people: int = 2_000
    oracle_people: int = 100
    steps: int = 3_000  # of d3rlpy's learners
    seed: int = 0


class ShortTerm:
    """The response model under a long-term one: the same network, and no horizon."""

    def __init__(self, model) -> None:
        self.response, self.objectives = model.response, len(model.objectives)

    def predict(self, features) -> np.ndarray:
        """Return float32 [n, objectives]."""
        return self.response.predict(features)[:, : self.objectives]


def configuration():
    """Return the default objectives, each with a horizon; intervals are of 90 %."""
    from homing.lifecycle.ground import with_click
    from homing.schema import Config, parse_config

    told = with_click(Config()).model_dump(mode="json", exclude_none=True)
    told["engine"]["threads"] = 1
    told["training"]["members"] = 1
    told["evaluation"] |= {"confidence": 0.9, "bootstrap": 0}
    for objective in told["objectives"].values():
        if objective["scope"] == "user":
            objective["horizon"] = HORIZON
    return parse_config(told)


def without_horizons(config):
    """Return the configuration of short-term values."""
    from homing.lifecycle.horizons import with_objectives

    return with_objectives(
        config, {name: o.model_copy(update={"horizon": None}) for name, o in config.objectives.items()}
    )


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


class School:
    """What is learned from a world's log; each part is made when it is first asked for."""

    def __init__(self, world: str, sizes: Sizes, root: Path, d3rlpy: Path | None) -> None:
        from homing.schema.times import DAY
        from homing.simulator import PART_USERS, Setup

        self.world, self.sizes, self.root, self.d3rlpy = world, sizes, root, d3rlpy
        self.config = configuration()
        self.setup = Setup(
            users=sizes.people, days=DAYS, seed=sizes.seed, channels=tuple(self.config.channels)
        )
        days = 7 * sizes.weeks
        self.others = replace(
            self.setup,
            users=sizes.log_users,
            days=days,
            start=self.setup.start - days * DAY,
            first=PART_USERS,
        )

    @cached_property
    def long(self):
        """The ground with horizons."""
        from homing.lifecycle.ground import Ground
        from homing.lifecycle.progress import Silent
        from homing.lifecycle.simulate import simulate
        from homing.lifecycle.train import train
        from homing.schema.reference import default_toml
        from homing.store import Workspace, ingest

        log = self.root / "log"
        simulate(log, self.world, self.others, "random", self.config, workers=1, progress=Silent())
        workspace = Workspace.create(self.root / "workspace", default_toml(self.config))
        ingest(workspace, [log])
        train(workspace)
        return Ground.of(workspace)

    @cached_property
    def short(self):
        """The same ground with the response model alone."""
        release = self.long.release
        plain = without_horizons(release.config)
        return replace(self.long, release=replace(release, model=ShortTerm(release.model), config=plain))

    @cached_property
    def penalised(self):
        """Click-greedy with penalties, fitted as it will be used: over windows."""
        from long_term_promise import penalised

        return penalised(self.short)

    @cached_property
    def promises(self) -> dict[str, dict]:
        """What evaluation says of policies, as JSON."""
        from long_term_promise import promised

        found = promised(self.long, self.short, self.penalised)
        return {
            name: {
                "value": asdict(policy.value),
                "versus_logging": policy.versus_logging and asdict(policy.versus_logging),
                "judgement": policy.judgement,
                "reason": policy.reason,
            }
            for name, policy in found.items()
        }

    @cached_property
    def transitions(self):
        """Path of the peers' transitions, and mean and scale of their columns."""
        from long_term_peer import write_transitions

        path = self.root / "transitions.npz"
        return path, *write_transitions(self.short, path)

    def contender(self, name: str, world):
        """Return the policy of that name for a fresh world."""
        from homing.lifecycle.contender import Contender
        from homing.lifecycle.entrants import Trained, find_entrant
        from homing.lifecycle.oracles import look_ahead, one_step

        if name == "look-ahead-oracle":
            return look_ahead(self.config, replicates=REPLICATES)(world)
        if name == "one-step-oracle":
            return one_step(self.config)(world)
        if name in ("long-term", "short-term"):
            ground = self.long if name == "long-term" else self.short
            return Contender(name, replace(ground.release.greedy(), name=name), ground.score)
        if name in PEERS:
            from long_term_peer import train_peer

            algorithm = name.removeprefix("d3rlpy-")
            peer = train_peer(algorithm, self.d3rlpy, self.sizes.steps, self.sizes.seed, *self.transitions)
            return peer.contender(self.short)
        if name == "greedy-tuned":
            best = max(self.penalised, key=lambda policy: self.promises[policy.name]["value"]["value"])
            return Contender(name, best, self.short.score)
        known = find_entrant(name)
        return known.make(self.short if isinstance(known, Trained) else self.config)(world)

    @property
    def words(self):
        """Vocabularies of the ledger."""
        return self.long.vocabularies


def row(school: School, name: str) -> np.ndarray | dict:
    """Return what one row is: utilities by person, or promises."""
    from homing.lifecycle.rollout import rollout
    from homing.simulator import world_maker

    if name == "promise":
        return school.promises
    if name in FACTS:
        from long_term_promise import branch_days, branched

        world, other = world_maker(school.world)(school.others), name.removeprefix("one-step-")
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
    from long_term_tables import show

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
        with ProcessPoolExecutor(asked.workers) as pool:
            jobs = {
                pool.submit(one_world, world, sizes, asked.out, rows, asked.d3rlpy): world for world in worlds
            }
            for job in as_completed(jobs):
                if error := job.exception():  # a world that fails must not take the others with it
                    print(f"{jobs[job]}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    show(asked.out)


if __name__ == "__main__":
    main()
