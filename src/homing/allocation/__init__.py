"""Shared limits become prices: one number per limit, solved ahead over all users."""

from homing.allocation.demand import Bounds, Demand, Uses
from homing.allocation.dual import Softmaxes, curvature, probabilities, softmaxes
from homing.allocation.pacing import Pace, decide_in_order
from homing.allocation.relax import Relaxation, least_relaxation
from homing.allocation.rounding import dependent_draw, total_deviations
from homing.allocation.solution import Certificate, Solution
from homing.allocation.solve import solve

__all__ = [
    "Bounds",
    "Certificate",
    "Demand",
    "Pace",
    "Relaxation",
    "Softmaxes",
    "Solution",
    "Uses",
    "curvature",
    "decide_in_order",
    "dependent_draw",
    "least_relaxation",
    "probabilities",
    "softmaxes",
    "solve",
    "total_deviations",
]
