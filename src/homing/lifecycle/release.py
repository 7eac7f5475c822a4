"""A release: a policy frozen with its model, weights and temperature. Immutable, named by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from homing.decision import Prices, Softmax
from homing.lifecycle.replay import View
from homing.lifecycle.splits import Split
from homing.schema import Config, Vocabularies, WorkspaceError, parse_config
from homing.state import StateLayout

if TYPE_CHECKING:
    from homing.models import LongTermModel, ResponseModel
    from homing.store import Workspace

_CURRENT = "current"
_COLD = 1e-9  # of the temperature: the softmax becomes the maximum


@dataclass(frozen=True)
class Release:
    """All that decides, and all that is needed to decide the same again."""

    id: str
    config: Config
    objectives: tuple[str, ...]
    temperature: float  # of the policy for the configured weights, in utility
    objective_temperatures: tuple[float, ...]  # of the policy for each objective alone, in its unit
    split: Split
    watermark: int  # of the ledger that it was trained on, us
    view: View
    model: ResponseModel | LongTermModel

    @property
    def weights(self) -> NDArray[np.float64]:
        """[objectives] weights with the sign of the direction."""
        return signed_weights(self.config)

    def policy(self, objective: str | None = None, prices: Prices | None = None) -> Softmax:
        """Return the policy that this release deploys, or the one for a single objective."""
        floor = self.config.exploration.floor
        if objective is None:
            return Softmax("learned", self.weights, self.temperature, floor, prices)
        place = self.objectives.index(objective)
        sign = 1.0 if self.config.objectives[objective].direction == "up" else -1.0
        weights = np.zeros(len(self.objectives))
        weights[place] = sign
        return Softmax(f"learned:{objective}", weights, self.objective_temperatures[place], floor, prices)

    def greedy(self, objective: str | None = None) -> Softmax:
        """Return the policy without its exploration: always the best candidate. It shows what that costs."""
        policy = self.policy(objective)
        name = policy.name.replace("learned", "greedy")
        return dataclasses.replace(policy, name=name, temperature=policy.temperature * _COLD, floor=0.0)


def signed_weights(config: Config) -> NDArray[np.float64]:
    """Return float64 [objectives]: weights in utility per unit of outcome, negative where less is better."""
    return np.array([objective.signed_weight for objective in config.objectives.values()])


def save_release(workspace: Workspace, release: Release) -> Release:
    """Write the release under its content's hash, make it the current one, and return it with its id.

    Written aside and renamed: a run that dies leaves no release, and the current one stays.
    """
    staging = workspace.releases_path / f".staging-{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    release.model.save(staging / "model")
    facts: dict[str, Any] = {
        "config": release.config.model_dump(mode="json"),
        "temperature": release.temperature,
        "objective_temperatures": release.objective_temperatures,
        "split": dataclasses.asdict(release.split),
        "watermark": release.watermark,
        "rhythm": release.view.rhythm.tolist(),
    }
    (staging / "release.json").write_text(json.dumps(facts, indent=1))
    name = _name_of(staging)
    target = workspace.releases_path / name
    if target.exists():  # the same content was trained before
        shutil.rmtree(staging)
    else:
        staging.rename(target)
    pointer = workspace.releases_path / f".{_CURRENT}-{os.getpid()}"
    pointer.write_text(name)
    pointer.replace(workspace.releases_path / _CURRENT)
    return dataclasses.replace(release, id=name)


def load_release(
    workspace: Workspace, vocabularies: Vocabularies, name: str | None = None, threads: int | None = None
) -> Release:
    """Read a release, by default the current one.

    Args:
        workspace: where it is.
        vocabularies: of the ledger.
        name: which one.
        threads: that one call of its model or state uses; by default as many as it was trained with.

    Raises:
        WorkspaceError: there is none, or none of that name, or its files are not those that were saved.
    """
    from homing.models import load_value_model

    name = name or current_release(workspace)
    if name is None:
        raise WorkspaceError(f"{workspace.path} has no release yet; run 'homing train'")
    folder = workspace.releases_path / name
    if not (folder / "release.json").is_file():
        known = sorted(path.parent.name for path in workspace.releases_path.glob("*/release.json"))
        raise WorkspaceError(f"release == {name!r} does not exist; there are {', '.join(known) or 'none'}")
    if _name_of(folder) != name:
        raise WorkspaceError(
            f"release {name!r} is damaged: the files in {folder} are not those that gave it its name; "
            "restore them from a backup, or run 'homing train'"
        )
    facts = json.loads((folder / "release.json").read_text())
    config = parse_config(facts["config"], f"{name}/release.json")
    threads = config.engine.threads if threads is None else threads
    model = load_value_model(folder / "model", tuple(config.objectives), config.training.device, threads)
    layout = dataclasses.replace(StateLayout.from_config(config, vocabularies), threads=threads)
    view = View(config, layout, model.spec, np.array(facts["rhythm"], np.float32))
    return Release(
        id=name,
        config=config,
        objectives=tuple(config.objectives),
        temperature=facts["temperature"],
        objective_temperatures=tuple(facts["objective_temperatures"]),
        split=Split(**facts["split"]),
        watermark=facts["watermark"],
        view=view,
        model=model,
    )


def _name_of(folder: Path) -> str:
    """Return the name that a release with these files has."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return f"r-{digest.hexdigest()[:12]}"


def current_release(workspace: Workspace) -> str | None:
    """Return the id of the current release, or None."""
    pointer = workspace.releases_path / _CURRENT
    return pointer.read_text().strip() if pointer.is_file() else None
