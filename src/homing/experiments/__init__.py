"""Experiments: assign, watch, analyse and decide. Everything starts from moments, which add."""

from homing.experiments.moments import Axis, Moments, from_arrays, from_sums
from homing.experiments.tables import from_table

__all__ = [
    "Axis",
    "Moments",
    "from_arrays",
    "from_sums",
    "from_table",
]
