"""Shared limits become prices: one number per limit, solved ahead over all users."""

from homing.allocation.demand import Bounds, Demand, Uses
from homing.allocation.dual import Softmaxes, curvature, probabilities, softmaxes
from homing.allocation.solution import Certificate, Solution
from homing.allocation.solve import solve

__all__ = [
    "Bounds",
    "Certificate",
    "Demand",
    "Softmaxes",
    "Solution",
    "Uses",
    "curvature",
    "probabilities",
    "softmaxes",
    "solve",
]
