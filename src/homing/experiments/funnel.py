"""Where a difference comes from: reach x sends x opens x clicks x conversions, one share of it each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import ndtri

from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError


@dataclass(frozen=True)
class Funnel:
    """Contributions of each step to the difference of the last column's mean, float64 [steps]."""

    steps: tuple[str, ...]  # the first column, then each column over the one before
    arm_rates: Floats
    control_rates: Floats
    contribution: Floats  # in units of the last column a user; their sum is the difference, exactly
    std_error: Floats
    low: Floats
    high: Floats
    total: float


def funnel(
    moments: Moments, columns: Sequence[str], arm: str, control: str = "control", confidence: float = 0.95
) -> Funnel:
    """Return what each step of a funnel adds to a difference.

    The mean of the last column is a product of rates, m = r_1 r_2 ... With the logarithmic mean
    L = (m1 - m0) / log(m1 / m0), L log(r_k1 / r_k0) sum to m1 - m0 without a remainder, whatever the order of
    steps (the logarithmic mean Divisia index, Ang 2004). Errors by the delta method from the joint moments.

    Args:
        moments: of all the columns, with their products.
        columns: totals of a user from the top of the funnel to its end, such as sends, opens, clicks.
        arm: which arm.
        control: what it is compared with.
        confidence: of the intervals.

    Raises:
        InputError: moments with axes, fewer than two columns, products that were not scanned, or a step that
            nobody passed in an arm.
    """
    if moments.axes or len(columns) < 2 or not 0 < confidence < 1:
        raise InputError(
            f"axes {[a.name for a in moments.axes]}, columns {list(columns)} and confidence {confidence}: "
            "must be no axes, two columns or more, and in (0, 1)"
        )
    part = moments.select(columns)
    place = [part.arm(arm), part.arm(control)]
    mean, noise = part.mean[place], part.covariance_of_means[place]
    if part.shared is not None and part.shared.any():
        raise InputError("the moments were adjusted; decompose those from before the adjustment")
    if np.isnan(noise).any():
        raise InputError(f"products of {list(columns)} were not all scanned, or an arm has one unit")
    if not (mean > 0).all():
        raise InputError(f"means of {list(columns)} are {mean.tolist()}, must be > 0 in both arms")
    rates = mean / np.column_stack([np.ones(2), mean[:, :-1]])
    change = np.log(rates[0] / rates[1])
    scale, to_arm, to_control = _logarithmic_mean(float(mean[0, -1]), float(mean[1, -1]))
    covariance = np.zeros((len(columns), len(columns)))
    # log rates are differences of log means, and the scale moves with the last of these
    steps = np.eye(len(columns)) - np.eye(len(columns), k=-1)
    last = np.eye(len(columns))[-1]
    for row, sign, slope in ((0, 1.0, to_arm), (1, -1.0, to_control)):
        gradient = (sign * scale * steps + slope * np.outer(change, last)) / mean[row]
        covariance += gradient @ noise[row] @ gradient.T
    error = np.sqrt(np.maximum(np.diagonal(covariance), 0))
    value, reach = scale * change, ndtri(0.5 + confidence / 2) * error
    names = (columns[0], *(f"{b} / {a}" for a, b in pairwise(columns)))
    total = float(mean[0, -1] - mean[1, -1])
    return Funnel(names, rates[0], rates[1], value, error, value - reach, value + reach, total)


def _logarithmic_mean(a: float, b: float) -> tuple[float, float, float]:
    """Return L(a, b) and its slopes in log a and log b."""
    gap = np.log(a / b)
    if abs(gap) < 1e-4:  # series to the third order, where the quotients lose their digits
        middle = np.sqrt(a * b)
        value = middle * (1 + gap**2 / 24)
        return float(value), float(value / 2 + middle * gap / 12), float(value / 2 - middle * gap / 12)
    value = (a - b) / gap
    return float(value), float((a - value) / gap), float((value - b) / gap)
