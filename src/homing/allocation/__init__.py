"""Shared limits become prices: one number per limit, solved ahead over all users."""

from homing.allocation.demand import Bounds, Demand, Uses
from homing.allocation.dual import Softmaxes, curvature, probabilities, softmaxes
from homing.allocation.relax import Relaxation, least_relaxation
from homing.allocation.rounding import dependent_draw, total_deviations
from homing.allocation.solution import Certificate, Solution
from homing.allocation.solve import solve

__all__ = [
    "Bounds",
    "Certificate",
    "Demand",
    "Relaxation",
    "Softmaxes",
    "Solution",
    "Uses",
    "curvature",
    "dependent_draw",
    "least_relaxation",
    "probabilities",
    "softmaxes",
    "solve",
    "total_deviations",
]
