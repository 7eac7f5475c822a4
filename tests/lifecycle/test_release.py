import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_world import SmallWorld

from homing.lifecycle.release import Release, current_release, load_release, save_release
from homing.schema import HomingError, WorkspaceError
from homing.store import Workspace, load_shard


def saved(workspace: Workspace) -> Release:
    return load_release(workspace, workspace.ledger.vocabularies())


def test_a_release_is_read_back_as_it_was(small_world: SmallWorld) -> None:
    made, read = small_world.trained.release, saved(small_world.workspace)
    for name in ("id", "config", "objectives", "temperature", "objective_temperatures", "split", "watermark"):
        assert getattr(read, name) == getattr(made, name), name
    assert read.view.spec == made.view.spec
    assert read.view.layout == made.view.layout
    assert np.array_equal(read.view.rhythm, made.view.rhythm)
    shard = load_shard(small_world.workspace, 0).shard
    from homing.decision.replay import replay

    candidates = replay(shard, np.arange(200), made.config).candidates
    features = made.view.features(shard, candidates)
    assert np.array_equal(read.model.predict(features), made.model.predict(features))


def test_the_id_is_that_of_the_content(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    release = saved(workspace)
    assert save_release(workspace, release).id == release.id
    assert len(list(workspace.releases_path.glob("r-*"))) == 1
    colder = dataclasses.replace(release, temperature=release.temperature / 2)
    other = save_release(workspace, colder)
    assert other.id != release.id
    assert current_release(workspace) == other.id
    assert saved(workspace).temperature == release.temperature / 2
    assert (
        load_release(workspace, workspace.ledger.vocabularies(), release.id).temperature
        == release.temperature
    )
    assert not list(workspace.releases_path.glob(".*"))  # nothing is left aside


def test_weights_have_the_sign_of_their_direction(small_world: SmallWorld) -> None:
    release = small_world.trained.release
    assert release.weights.tolist() == [1.0, 0.002, -0.5]
    assert release.policy("annoyance").weights.tolist() == [0.0, 0.0, -1.0]
    assert release.policy("engagement").weights.tolist() == [0.0, 1.0, 0.0]
    assert release.policy("engagement").temperature == release.objective_temperatures[1]
    greedy = release.greedy("conversion")
    assert (greedy.name, greedy.floor) == ("greedy:conversion", 0.0)
    assert greedy.temperature < 1e-6 * release.policy("conversion").temperature


def test_no_release_says_what_to_do(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    (workspace.releases_path / "current").unlink()
    assert current_release(workspace) is None
    with pytest.raises(WorkspaceError, match=r"has no release yet; run 'homing train'"):
        saved(workspace)


def test_a_release_that_does_not_exist_names_those_that_do(small_world: SmallWorld) -> None:
    workspace, made = small_world.workspace, small_world.trained.release.id
    with pytest.raises(WorkspaceError, match=f"release == 'r-0' does not exist; there are {made}"):
        load_release(workspace, workspace.ledger.vocabularies(), "r-0")


@pytest.mark.parametrize("damage", ["cut", "empty", "key", "model", "no model"])
def test_a_damaged_release_is_one_clear_error(copied: Callable[[], Workspace], damage: str) -> None:
    workspace = copied()
    folder = workspace.releases_path / str(current_release(workspace))
    facts = folder / "release.json"
    if damage == "cut":
        facts.write_text(facts.read_text()[:200])
    elif damage == "empty":
        facts.write_text("")
    elif damage == "key":
        data = json.loads(facts.read_text())
        del data["temperature"]
        facts.write_text(json.dumps(data))
    elif damage == "no model":
        shutil.rmtree(folder / "model")
    else:
        for file in _weights(folder):
            file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(HomingError) as caught:
        saved(workspace)
    assert folder.name in str(caught.value)


def _weights(folder: Path) -> list[Path]:
    found = list((folder / "model").rglob("*.safetensors"))
    assert found
    return found
