"""Experiments: assign, watch, analyse and decide. Everything starts from moments, which add."""

from homing.experiments.differences import Difference, difference
from homing.experiments.metrics import Metric, levels, mean, proportion, ratio
from homing.experiments.moments import Axis, Moments, from_arrays, from_sums
from homing.experiments.tables import from_table

__all__ = [
    "Axis",
    "Difference",
    "Metric",
    "Moments",
    "difference",
    "from_arrays",
    "from_sums",
    "from_table",
    "levels",
    "mean",
    "proportion",
    "ratio",
]
