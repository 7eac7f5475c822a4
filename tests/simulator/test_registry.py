import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from homing.schema import InputError
from homing.simulator import Setup, world_maker, world_names
from homing.simulator.random_sends import random_sends

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "own-world.md"


def block(kind: str, holding: str) -> str:
    """Return the guide's block of code that holds a text."""
    blocks = [part.split("```", 1)[0] for part in PAGE.read_text().split(f"```{kind}\n")[1:]]
    (found,) = [text for text in blocks if holding in text]
    return found


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The guide's world as an installed package with the guide's entry point."""
    (tmp_path / "library_world.py").write_text(block("python", "class Library"))
    group, _, entry = block("toml", "homing.worlds").partition("\n")
    assert group == '[project.entry-points."homing.worlds"]'
    info = tmp_path / "library_world-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: library-world\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[homing.worlds]\n{entry.replace(chr(34), '')}")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("library_world", None)


@pytest.mark.usefixtures("installed")
def test_an_installed_package_brings_its_world() -> None:
    assert "library" in world_names()
    world = world_maker("library")(Setup(users=200, days=2))
    random_sends(world, 0).to(world, 0)
    assert type(world).__name__ == "Library" and world.events()["decision"].any()


@pytest.mark.usefixtures("installed")
def test_presets_are_there_beside_it() -> None:
    assert world_names()[0] == "streaming"
    assert len(world_maker("streaming")(Setup(users=10, days=1)).users) == 10


def test_an_unknown_world_names_the_nearest() -> None:
    assert "library" not in world_names()
    with pytest.raises(InputError, match="did you mean 'streaming'"):
        world_maker("steaming")


def test_makers_make_the_part_that_is_asked_for() -> None:
    first, second = (world_maker("streaming")(part) for part in Setup(users=10_005, days=1).parts())
    assert (len(first.users), len(second.users)) == (10_000, 5)
    assert not np.isin(second.users.hash[:, 0], first.users.hash[:, 0]).any()
