"""Worlds by name: presets, the randomized family, and what other packages register."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Final

from homing.schema import InputError
from homing.schema.errors import nearest
from homing.simulator.presets.adverse import ADVERSE
from homing.simulator.presets.commerce import COMMERCE
from homing.simulator.presets.drifting import DRIFTING
from homing.simulator.presets.learning import LEARNING
from homing.simulator.presets.news import NEWS
from homing.simulator.presets.streaming import STREAMING
from homing.simulator.setup import Setup
from homing.simulator.simulated import SimulatedWorld
from homing.simulator.spec import Spec
from homing.simulator.world import World

PRESETS: Final[dict[str, Spec]] = {spec.name: spec for spec in (STREAMING, COMMERCE, LEARNING, NEWS, ADVERSE, DRIFTING)}
GROUP: Final = "homing.worlds"

Maker = Callable[[Setup], World]


def world_names() -> tuple[str, ...]:
    """Return the names that `world_maker` knows."""
    return (*PRESETS, *sorted(entry.name for entry in entry_points(group=GROUP)))


def world_maker(name: str) -> Maker:
    """Return what makes the named world, or a part of it, from a setup.

    Args:
        name: a preset, or the name of an entry point of the group `homing.worlds`.

    Raises:
        InputError: there is no world of that name.
    """
    if name in PRESETS:
        return partial(SimulatedWorld, PRESETS[name])
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            maker: Maker = entry.load()
            return maker
    names = world_names()
    raise InputError(f"world == {name!r}, must be one of {', '.join(names)}{nearest(name, names)}")
