"""What experiments and off-policy evaluation both compute: many tests at once, and looks at any time."""

from homing.statistics.always_valid import best_mixing, normal_mixture
from homing.statistics.multiplicity import benjamini_hochberg, two_sided

__all__ = ["benjamini_hochberg", "best_mixing", "normal_mixture", "two_sided"]
