"""The normal mixture boundary, behind every interval that may be looked at as often as one likes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.schema.errors import InputError


def normal_mixture(variance: ArrayLike, mixing: ArrayLike, alpha: float) -> NDArray[np.floating[Any]]:
    """Return a bound that a sum of this accumulated variance passes with probability alpha at any time.

    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence
    sequences, equation 14, two-sided: `sqrt((V + rho) log((V + rho) / (rho alpha^2)))`.

    Args:
        variance: float, any shape: V, accumulated, in squared units of the sum.
        mixing: float, of a shape that goes with it: rho > 0, in the same unit; smaller is tighter late.
        alpha: in (0, 1).

    Returns:
        float64 of their shape, in units of the sum.

    Raises:
        InputError: `alpha` outside (0, 1).
    """
    _check(alpha)
    rho = np.asarray(mixing, np.float64)
    total = np.asarray(variance, np.float64) + rho
    return np.asarray(np.sqrt(total * (np.log(total / rho) - 2 * math.log(alpha))))


def best_mixing(alpha: float) -> float:
    """Return V / rho that makes the boundary smallest at V.

    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic
    confidence sequences, appendix B.2: `-2 log alpha + log(1 - 2 log alpha)`.

    Raises:
        InputError: `alpha` outside (0, 1).
    """
    _check(alpha)
    return -2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"alpha == {alpha}, must be in (0, 1)")
