"""Calibration on later decisions: three numbers a head, shrunk towards changing nothing.

With b the user's baseline and d what the message changes (both raw: logits, log-means or means, b
measured from the training mean), the calibrated raw output is

    z = start + shift + base_slope * b + delta_slope * d.

This is Platt scaling (Platt 1999) with a slope of its own for the contrast to hold: a network that has
learned users well and message effects badly is corrected in the part that is wrong. Predictions keep
their order in b and in d, and never become 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.models.heads import Link

#: Standard deviations of the prior on (base_slope - 1, delta_slope - 1, shift / raw scale).
_PRIOR: Final = np.array([0.3, 0.3, 1.0])
_LEAST_SLOPE: Final = 0.05
_STEPS: Final = 50
#: Raw outputs beyond these are cut: probabilities stay inside (3e-7, 1 - 3e-7), means below e^12 units.
RAW_LIMIT: Final = {"logit": 15.0, "log": 12.0, "identity": np.inf}


@dataclass(frozen=True)
class Scaling:
    """The three numbers of one head."""

    base_slope: float = 1.0
    delta_slope: float = 1.0
    shift: float = 0.0


def raw_loss(raw: NDArray[np.float64], outcome: NDArray[np.float64], link: Link) -> float:
    """Return the mean loss of raw outputs [n]: cross-entropy, half the Poisson deviance or squared error.

    `outcome` float64 [n] is in units of the head. The Poisson deviance is 2 (y ln(y / m) - y + m).
    Over nothing it is NaN.
    """
    if not len(raw):
        return float("nan")
    z = np.clip(raw, -RAW_LIMIT[link], RAW_LIMIT[link])
    if link == "logit":
        return float(np.mean(np.logaddexp(0, z) - outcome * z))
    if link == "log":
        own = outcome * np.log(np.where(outcome > 0, outcome, 1)) - outcome
        return float(np.mean(np.exp(z) - outcome * z + own))
    return float(np.mean((z - outcome) ** 2) / 2)


def fit_scaling(
    baseline: NDArray[np.float64],
    delta: NDArray[np.float64],
    outcome: NDArray[np.float64],
    start: float,
    link: Link,
) -> Scaling:
    """Return the scaling that fits the calibration rows, or none where it does not lower their loss.

    Penalised (quasi-)likelihood by Newton's method; the variance is the link's own times a dispersion
    (Pearson's, McCullagh and Nelder 1989, 9.2), so that the prior weighs the same for heavy-tailed means.

    Args:
        baseline: float64 [n] raw output for hold, less `start`.
        delta: float64 [n] what the candidate adds; 0 for hold.
        outcome: float64 [n] in units of the head, all known.
        start: raw output of the best constant.
        link: of the head.
    """
    if not len(outcome):
        return Scaling()
    inputs = np.stack([baseline, delta, np.ones(len(outcome))], axis=1)
    before = start + baseline + delta
    dispersion = _dispersion(before, outcome, link)
    neutral = np.array([1.0, 1.0, 0.0])
    found = neutral
    least = _objective(found, inputs, outcome, start, link, dispersion)
    for _ in range(_STEPS):
        slope, curvature = _derivatives(start + inputs @ found, outcome, link)
        gradient = inputs.T @ slope / dispersion + (found - neutral) / _PRIOR**2
        hessian = (inputs * curvature[:, None]).T @ inputs / dispersion + np.diag(1 / _PRIOR**2)
        step = np.linalg.solve(hessian, gradient)
        moved = False
        for shrink in 0.5 ** np.arange(12):
            trial = found - shrink * step
            trial[:2] = np.maximum(trial[:2], _LEAST_SLOPE)
            value = _objective(trial, inputs, outcome, start, link, dispersion)
            if value < least:
                moved, gain, least, found = True, least - value, value, trial
                break
        if not moved or gain < 1e-9:
            break
    if raw_loss(start + inputs @ found, outcome, link) >= raw_loss(before, outcome, link):
        return Scaling()
    return Scaling(*(float(value) for value in found))


def _objective(
    scaling: NDArray[np.float64],
    inputs: NDArray[np.float64],
    outcome: NDArray[np.float64],
    start: float,
    link: Link,
    dispersion: float,
) -> float:
    loss = raw_loss(start + inputs @ scaling, outcome, link) * len(outcome) / dispersion
    return loss + float((((scaling - np.array([1.0, 1.0, 0.0])) / _PRIOR) ** 2).sum() / 2)


def _derivatives(
    raw: NDArray[np.float64], outcome: NDArray[np.float64], link: Link
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = to_mean(raw, link)
    if link == "logit":
        return mean - outcome, np.maximum(mean * (1 - mean), 1e-9)
    if link == "log":
        return mean - outcome, mean
    return mean - outcome, np.ones_like(mean)


def _dispersion(raw: NDArray[np.float64], outcome: NDArray[np.float64], link: Link) -> float:
    if link == "logit":
        return 1.0
    mean = to_mean(raw, link)
    variance = mean if link == "log" else np.ones_like(mean)
    return max(float(np.mean((outcome - mean) ** 2) / np.mean(variance)), 1e-12)


def to_mean(raw: NDArray[np.float64], link: Link) -> NDArray[np.float64]:
    """Return the mean outcome [n], in units of the head, of raw outputs [n]."""
    z = np.clip(raw, -RAW_LIMIT[link], RAW_LIMIT[link])
    if link == "logit":
        return 1 / (1 + np.exp(-z))
    return np.exp(z) if link == "log" else z
