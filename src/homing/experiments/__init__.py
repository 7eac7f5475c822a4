"""Experiments: assign, watch, analyse and decide. Everything starts from moments, which add."""

from homing.experiments.adjust import adjust, post_stratify, products_for, variance_reduction
from homing.experiments.differences import Difference, difference
from homing.experiments.metrics import Metric, levels, mean, proportion, ratio
from homing.experiments.moments import Axis, Moments, from_arrays, from_sums
from homing.experiments.tables import from_table

__all__ = [
    "Axis",
    "Difference",
    "Metric",
    "Moments",
    "adjust",
    "difference",
    "from_arrays",
    "from_sums",
    "from_table",
    "levels",
    "mean",
    "post_stratify",
    "products_for",
    "proportion",
    "ratio",
    "variance_reduction",
]
