"""Worlds: simulated populations that answer messages, tire of them and leave. They cannot see policies."""

from homing.simulator.mechanisms import Mechanisms
from homing.simulator.world import DEFAULT_START, StreamingWorld

__all__ = ["DEFAULT_START", "Mechanisms", "StreamingWorld"]
