"""Worlds: simulated populations that answer messages, tire of them and leave. They cannot see policies."""

from homing.simulator.mechanisms import Mechanisms
from homing.simulator.registry import world_maker, world_names
from homing.simulator.scenery import Scenery, make_scenery
from homing.simulator.setup import DEFAULT_START, PART_USERS, Setup
from homing.simulator.simulated import SimulatedWorld
from homing.simulator.world import World

__all__ = [
    "DEFAULT_START",
    "PART_USERS",
    "Mechanisms",
    "Scenery",
    "Setup",
    "SimulatedWorld",
    "World",
    "make_scenery",
    "world_maker",
    "world_names",
]
