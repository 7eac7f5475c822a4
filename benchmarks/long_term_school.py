"""What is learned from a world's log, for `long_term.py`; each part is made when it is first asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from long_term_peer import train_peer, write_transitions
from long_term_promise import penalised, promised
from numpy.typing import NDArray

from homing.decision.baselines import Greedy
from homing.lifecycle.horizons import with_objectives
from homing.lifecycle.progress import Silent
from homing.lifecycle.record import load_record
from homing.lifecycle.train import train
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.entrants import Trained, find_entrant
from homing.lifecycle.worlds.ground import Ground, with_click
from homing.lifecycle.worlds.oracles import look_ahead, one_step
from homing.lifecycle.worlds.simulate import simulate
from homing.models import LongTermModel
from homing.schema import Config, Features, Vocabularies, parse_config
from homing.schema.reference import default_toml
from homing.schema.times import DAY
from homing.simulator import PART_USERS, Setup, World
from homing.store import Workspace, ingest

PEERS = ("d3rlpy-cql", "d3rlpy-dqn")
HORIZON, DAYS, REPLICATES = "28d", 42, 12


@dataclass(frozen=True)
class Sizes:
    """What results of one folder have in common."""

    log_users: int = 6_000
    weeks: int = 6  # of the log; facts need 5 at least, which are longer than the horizon
    people: int = 2_000
    oracle_people: int = 600
    steps: int = 3_000  # of d3rlpy's learners
    seed: int = 0


class ShortTerm:
    """The response model under a long-term one: the same network, and no horizon."""

    def __init__(self, model: LongTermModel) -> None:
        self.response, self.objectives = model.response, len(model.objectives)

    def predict(self, features: Features) -> NDArray[np.float32]:
        """Return float32 [n, objectives]."""
        return self.response.predict(features)[:, : self.objectives]


def configuration() -> Config:
    """Return the default objectives, each with a horizon; intervals are of 90 %."""
    told = with_click(Config()).model_dump(mode="json", exclude_none=True)
    told["engine"]["threads"] = 1
    told["training"]["members"] = 1
    told["evaluation"] |= {"confidence": 0.9, "bootstrap": 0}
    for objective in told["objectives"].values():
        if objective["scope"] == "user":
            objective["horizon"] = HORIZON
    return parse_config(told)


def without_horizons(config: Config) -> Config:
    """Return the configuration of short-term values."""
    return with_objectives(
        config, {name: o.model_copy(update={"horizon": None}) for name, o in config.objectives.items()}
    )


class School:
    """What is learned from a world's log; each part is made when it is first asked for."""

    def __init__(self, world: str, sizes: Sizes, root: Path, d3rlpy: Path | None) -> None:
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
    def long(self) -> Ground:
        """The ground with horizons."""
        log = self.root / "log"
        simulate(log, self.world, self.others, "random", self.config, workers=1, progress=Silent())
        workspace = Workspace.create(self.root / "workspace", default_toml(self.config))
        ingest(workspace, [log])
        train(workspace)
        return Ground.of(workspace)

    @cached_property
    def short(self) -> Ground:
        """The same ground with the response model alone."""
        release = self.long.release
        plain = without_horizons(release.config)
        return replace(self.long, release=replace(release, model=ShortTerm(release.model), config=plain))

    @cached_property
    def penalised(self) -> list[Greedy]:
        """Click-greedy with penalties, fitted as it will be used: over windows."""
        return penalised(self.short)

    @cached_property
    def promises(self) -> dict[str, dict[str, Any]]:
        """What evaluation says of policies, and training of the learner that decides, as JSON."""
        found = promised(self.long, self.short, self.penalised)
        told = {
            name: {
                "value": asdict(policy.value),
                "versus_logging": policy.versus_logging and asdict(policy.versus_logging),
                "judgement": policy.judgement,
                "reason": policy.reason,
            }
            for name, policy in found.items()
        }
        trained = load_record(self.long.workspace, "train")
        return told | {"training": asdict(trained.selection.decides)}

    @cached_property
    def transitions(self) -> tuple[Path, NDArray[np.float32], NDArray[np.float32]]:
        """Path of the peers' transitions, and mean and scale of their columns."""
        path = self.root / "transitions.npz"
        return path, *write_transitions(self.short, path)

    def contender(self, name: str, world: World) -> Contender:
        """Return the policy of that name for a fresh world."""
        if name == "look-ahead-oracle":
            return look_ahead(self.config, replicates=REPLICATES)(world)
        if name == "one-step-oracle":
            return one_step(self.config)(world)
        if name in ("long-term", "short-term"):
            ground = self.long if name == "long-term" else self.short
            return Contender(name, replace(ground.release.greedy(), name=name), ground.score)
        if name in PEERS:
            algorithm = name.removeprefix("d3rlpy-")
            peer = train_peer(algorithm, self.d3rlpy, self.sizes.steps, self.sizes.seed, *self.transitions)
            return peer.contender(self.short)
        if name == "greedy-tuned":
            best = max(self.penalised, key=lambda policy: self.promises[policy.name]["value"]["value"])
            return Contender(name, best, self.short.score)
        known = find_entrant(name)
        return known.make(self.short if isinstance(known, Trained) else self.config)(world)

    @property
    def words(self) -> Vocabularies:
        """Vocabularies of the ledger."""
        return self.long.vocabularies
