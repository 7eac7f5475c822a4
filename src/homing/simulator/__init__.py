"""Worlds: simulated populations that answer messages, tire of them and leave. They cannot see policies."""

from homing.simulator.mechanisms import Mechanisms
from homing.simulator.registry import world_maker, world_names
from homing.simulator.setup import DEFAULT_START, PART_USERS, Setup
from homing.simulator.simulated import SimulatedWorld
from homing.simulator.world import Scenery, World

__all__ = [
    "DEFAULT_START",
    "PART_USERS",
    "Mechanisms",
    "Scenery",
    "Setup",
    "SimulatedWorld",
    "World",
    "world_maker",
    "world_names",
]
