"""Targets that send at another moment than the log did, where moments are continuous.

No logged moment is exactly the target's, so those close by stand in for it, weighed by a kernel: Kallus &
Zhou (2018), Policy evaluation and optimization with continuous treatments. The estimators are `ips` and
`snips` with `kernel_weights`, and `kernel_dr`. A wider bandwidth has less variance and more bias; choose it
by `select_by_slope` over a `bandwidth_grid`, as in Su, Srinath & Krishnamurthy (2020).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.diagnostics.overlap import Thresholds
from homing.evaluation.estimate import Estimate
from homing.evaluation.estimators.one_decision import dr
from homing.evaluation.estimators.weighted import User
from homing.evaluation.inputs import Floats, finite
from homing.schema.errors import InputError

Kernel = Literal["epanechnikov", "gaussian"]

#: How many bandwidths reach either way: all of one kernel's mass, and 0.99994 of the other's.
_REACH: Final[dict[str, float]] = {"epanechnikov": 1.0, "gaussian": 4.0}


def kernel_weights(
    target_time: ArrayLike,
    logged_time: ArrayLike,
    density: ArrayLike,
    bandwidth: float,
    kernel: Kernel = "epanechnikov",
    *,
    period: float | None = None,
) -> Floats:
    """Return `K((pi(x_i) - t_i) / h) / (h f(t_i | x_i))` (Kallus & Zhou 2018): float64 [n].

    Epanechnikov's kernel is `3/4 (1 - u^2)` up to |u| = 1, the Gaussian one
    `exp(-u^2 / 2) / sqrt(2 pi)`.

    Args:
        target_time: float [n], when the target would send, or a draw from when it would.
        logged_time: float [n], when the log sent, in the same unit.
        density: float [n], > 0, of the logged time, per unit of time.
        bandwidth: h, > 0, in units of time.
        kernel: its shape.
        period: after which time begins anew, such as 24 hours; None: it does not.

    Raises:
        InputError: empty, lengths differ, values not finite, a density or bandwidth that is not above 0, an
            unknown kernel, or a kernel that is wider than the period.
    """
    logged = finite("logged_time", logged_time)
    target = finite("target_time", target_time, len(logged))
    chance = finite("density", density, len(logged))
    if chance.min() <= 0:
        raise InputError(
            f"density has a minimum of {chance.min():g}, must be above 0: those times were logged"
        )
    widest = math.inf if period is None else _widest(period, kernel)
    if not (0 < bandwidth <= widest and math.isfinite(bandwidth)):
        raise InputError(f"bandwidth == {bandwidth}, must be above 0 and at most {widest:g} with this period")
    gap = target - logged
    if period is not None:
        gap = (gap + period / 2) % period - period / 2
    u = gap / bandwidth
    if _reach(kernel) == 1.0:
        shape = 0.75 * np.maximum(1 - u * u, 0.0)
    else:
        shape = np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    return np.asarray(shape / (bandwidth * chance))


def bandwidth_grid(
    logged_time: ArrayLike, kernel: Kernel = "epanechnikov", size: int = 7, *, period: float | None = None
) -> tuple[float, ...]:
    """Return bandwidths to choose from, the narrowest first, each half of the next.

    The widest reaches over half of the range of the logged times, or over the whole period.

    Args:
        logged_time: float [n].
        kernel: that they are for.
        size: how many, >= 1.
        period: as for `kernel_weights`.

    Raises:
        InputError: empty, not finite, all times equal, an unknown kernel, or a size under 1.
    """
    logged = finite("logged_time", logged_time)
    if size < 1:
        raise InputError(f"size == {size}, must be >= 1")
    spread = float(np.ptp(logged))
    if spread == 0:
        raise InputError(f"logged_time is {logged[0]:g} in every row; other times cannot be judged from it")
    widest = spread / 2 / _reach(kernel) if period is None else _widest(period, kernel)
    return tuple(widest / 2**step for step in reversed(range(size)))


def kernel_dr(
    reward: ArrayLike,
    weight: ArrayLike,
    prediction_of_target: ArrayLike,
    prediction_of_choice: ArrayLike,
    user: User = None,
    *,
    confidence: float = 0.95,
    thresholds: Thresholds | None = None,
) -> Estimate:
    """Return `mean_i [q(x_i, pi(x_i)) + w_i (r_i - q(x_i, t_i))]`, after Kallus & Zhou (2018).

    Where the predictions are right it is unbiased at any bandwidth, as the
    outcome is compared with the prediction for its own time.

    Args:
        reward: float [n], in units of the outcome.
        weight: float [n], >= 0, from `kernel_weights`.
        prediction_of_target: float [n] of the outcome at the target's time.
        prediction_of_choice: float [n] of the outcome at the logged time.
        user: [n] cluster ids, `Clusters`, or None.
        confidence: of the interval.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Raises:
        InputError: as `dr`.
    """
    predicted = finite("prediction_of_target", prediction_of_target)
    # one candidate a row: the target's time
    found = dr(
        reward,
        weight,
        np.ones(len(predicted)),
        predicted,
        prediction_of_choice,
        np.arange(len(predicted) + 1),
        user,
        confidence=confidence,
        thresholds=thresholds,
    )
    return replace(found, estimator="kernel dr")


def _reach(kernel: str) -> float:
    if kernel not in _REACH:
        raise InputError(f"kernel == {kernel!r}, must be one of {', '.join(_REACH)}")
    return _REACH[kernel]


def _widest(period: float, kernel: str) -> float:
    if not (period > 0 and math.isfinite(period)):
        raise InputError(f"period == {period}, must be above 0")
    return period / 2 / _reach(kernel)
