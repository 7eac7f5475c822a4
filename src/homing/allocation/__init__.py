"""Shared limits become prices: one number per limit, solved ahead over all users."""

from homing.allocation.demand import Bounds, Demand, Uses
from homing.allocation.dual import Softmaxes, curvature, probabilities, softmaxes

__all__ = ["Bounds", "Demand", "Softmaxes", "Uses", "curvature", "probabilities", "softmaxes"]
