"""What trained policies learn from before they are compared: a log of other people in the same world.

The log is of the weeks just before the comparison, by people who are not in it, who were messaged by the
cautious random policy. The catalogue is the same, as its messages' features come with the world's seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from homing.decision.decide import Score
from homing.lifecycle.progress import Progress
from homing.lifecycle.release import Release, current_release, load_release
from homing.lifecycle.train import train
from homing.lifecycle.worlds.simulate import simulate
from homing.schema import Candidates, Config, Shard, Vocabularies, parse_config
from homing.schema.reference import default_toml
from homing.schema.times import DAY
from homing.simulator import PART_USERS, Setup
from homing.store import Workspace, ingest, load_shard

_CLICK = "click"  # name of the objective that is added where none is a click


@dataclass(frozen=True)
class Ground:
    """A ledger and a release that was trained on it."""

    workspace: Workspace
    release: Release
    vocabularies: Vocabularies

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        """Return a workspace's ledger with its current release.

        Raises:
            WorkspaceError: there is no release.
        """
        vocabularies = workspace.ledger.vocabularies()
        return cls(workspace, load_release(workspace, vocabularies), vocabularies)

    @property
    def config(self) -> Config:
        """Rules and objectives, a click among them."""
        return self.release.config

    def shards(self) -> Iterator[Shard]:
        """Yield the ledger, partition by partition."""
        for partition in range(self.workspace.ledger.partitions):
            yield load_shard(self.workspace, partition).shard

    def score(self, shard: Shard) -> Score:
        """Return the release's values of candidates, as `decide` wants them."""

        def values(candidates: Candidates) -> NDArray[np.float32]:
            return self.release.model.predict(self.release.view.features(shard, candidates))

        return values


def prepare_ground(
    folder: Path,
    world: str,
    setup: Setup,
    config: Config,
    users: int,
    days: int,
    workers: int,
    progress: Progress,
) -> Ground:
    """Simulate a log of other people, ingest it and train on it; what is there already is used again.

    Args:
        folder: of the workspace; the log is in `log` within it.
        world: its name.
        setup: of the comparison.
        config: rules and objectives, a click among them.
        users: in the log.
        days: of the log, which end where the comparison begins.
        workers: parts at once.
        progress: where to report.

    Raises:
        InputError: the folder has a log of other settings.
    """
    if (folder / "homing.toml").is_file():
        workspace = Workspace.open(folder)
    else:
        workspace = Workspace.create(folder, default_toml(config))
    others = dataclasses.replace(
        setup,
        users=users,
        days=days,
        start=setup.start - days * DAY,
        first=-(-(setup.first + setup.users) // PART_USERS) * PART_USERS,
        replicate=0,
    )
    simulate(folder / "log", world, others, "random", config, workers=workers, progress=progress)
    if not current_release(workspace):
        ingest(workspace, [folder / "log"], progress=progress.update)
        train(workspace, progress)
    return Ground.of(workspace)


def with_click(config: Config) -> Config:
    """Return the configuration with a click on the decision's message as an objective without weight."""
    if any(objective.event == "clicked" for objective in config.objectives.values()):
        return config
    told = config.model_dump(mode="json", exclude_none=True)
    told["objectives"][_CLICK] = {"event": "clicked", "window": "3d", "scope": "decision", "weight": 0.0}
    return parse_config(told)
