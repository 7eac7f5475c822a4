"""Worlds by name: presets, the randomized family, and what other packages register."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Final

from homing.schema import InputError
from homing.schema.errors import nearest
from homing.simulator.family import PREFIX, draw_spec, family_seed
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

PRESETS: Final[dict[str, Spec]] = {
    spec.name: spec for spec in (STREAMING, COMMERCE, LEARNING, NEWS, ADVERSE, DRIFTING)
}
GROUP: Final = "homing.worlds"

Maker = Callable[[Setup], World]


def world_names() -> tuple[str, ...]:
    """Return the names that `world_maker` knows, besides `family:SEED` for every seed."""
    return (*PRESETS, *sorted(entry.name for entry in entry_points(group=GROUP)))


def world_spec(name: str) -> Spec:
    """Return the numbers of a preset or of `family:SEED`.

    Raises:
        InputError: there is no such world, or it is not made of a `Spec`.
    """
    if name.startswith(PREFIX):
        return draw_spec(family_seed(name))
    if name not in PRESETS:
        names = tuple(PRESETS)
        raise InputError(
            f"world == {name!r}, must be one of {', '.join(names)} or {PREFIX}SEED{nearest(name, names)}"
        )
    return PRESETS[name]


def world_maker(name: str) -> Maker:
    """Return what makes the named world, or a part of it, from a setup.

    Args:
        name: a preset, `family:SEED` for a randomized world, or an entry point of the group `homing.worlds`.

    Raises:
        InputError: there is no world of that name.
    """
    if name in PRESETS or name.startswith(PREFIX):
        return partial(SimulatedWorld, world_spec(name))
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            maker: Maker = entry.load()
            return maker
    names = world_names()
    raise InputError(
        f"world == {name!r}, must be one of {', '.join(names)} or {PREFIX}SEED{nearest(name, names)}"
    )
