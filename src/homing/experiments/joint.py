"""Differences of several metrics together, with the covariance that comes from the same users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from homing.experiments.metrics import Metric, levels
from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError


@dataclass(frozen=True)
class Joint:
    """Differences of metrics between an arm and the control, jointly normal."""

    metrics: tuple[str, ...]
    value: Floats  # [*axes, metrics]
    covariance: Floats  # [*axes, metrics, metrics]

    @property
    def correlation(self) -> Floats:
        """[*axes, metrics, metrics]."""
        error = np.sqrt(np.diagonal(self.covariance, axis1=-2, axis2=-1))
        return np.asarray(self.covariance / error[..., :, None] / error[..., None, :])


@dataclass(frozen=True)
class Utility:
    """A weighted sum of differences."""

    value: Floats  # in units of the weights times those of the differences
    std_error: Floats
    low: Floats
    high: Floats
    p_value: Floats  # of no difference or less, one-sided


def joint_difference(
    moments: Moments,
    metrics: Sequence[Metric],
    arm: str,
    control: str = "control",
    *,
    scale: Literal["absolute", "delta"] = "delta",
) -> Joint:
    """Return the differences of metrics and their covariance, by the delta method.

    Args:
        moments: with the products of all columns of the metrics.
        metrics: to compare.
        arm: which arm.
        control: the arm that it is compared with.
        scale: absolute, or relative to the control.

    Raises:
        InputError: names that are not there, products that were not scanned, or an unknown scale.
    """
    if scale not in {"absolute", "delta"}:
        raise InputError(f"scale == {scale!r}, must be 'absolute' or 'delta'")
    columns = list(dict.fromkeys(c for m in metrics for c in (m.column, m.denominator) if c))
    part = moments.select(columns)
    if np.isnan(part.scatter[part.count > 0]).any():
        raise InputError(f"products of {columns} were not all scanned; name the pairs in `products`")
    place = [part.arm(arm), part.arm(control)]
    level = np.stack([levels(part, m).value[..., place] for m in metrics], axis=-1)
    slope = np.stack([slopes_of(part, m)[..., place, :] for m in metrics], axis=-2)
    value = level[..., 0, :] - level[..., 1, :]
    one, zero = slope[..., 0, :, :], slope[..., 1, :, :]
    if scale == "delta":
        base = np.where(level[..., 1, :] > 0, level[..., 1, :], np.nan)
        value = value / base
        one, zero = one / base[..., None], zero * ((value + 1) / base)[..., None]
    noise = part.covariance_of_means[..., place, :, :]
    covariance = _sandwich(one, noise[..., 0, :, :], one) + _sandwich(zero, noise[..., 1, :, :], zero)
    if part.shared is not None:
        shared = part.shared[..., place, :, :, :][..., place, :, :]
        both = np.stack([one, -zero], axis=-3)
        covariance = covariance + np.einsum("...aik,...abkl,...bjl->...ij", both, shared, both)
    return Joint(tuple(m.name for m in metrics), value, covariance)


def utility(joint: Joint, weights: ArrayLike, confidence: float = 0.95) -> Utility:
    """Return a weighted sum of differences with its interval.

    Args:
        joint: the differences.
        weights: float [*, metrics], what a unit of each difference is worth; several rows make a curve of
            what would be decided between two priorities.
        confidence: of the interval.

    Raises:
        InputError: the last axis of `weights` is not the metrics, a weight is not finite, or a confidence is
            outside (0, 1).
    """
    w = np.asarray(weights, np.float64)
    if w.shape[-1:] != (len(joint.metrics),):
        raise InputError(f"weights has shape {w.shape}, its last axis must be the metrics {joint.metrics}")
    if not np.isfinite(w).all():
        raise InputError("weights has missing or infinite values, must be finite; 0 leaves a metric out")
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    value = np.asarray(np.einsum("...i,...i->...", w, joint.value))
    variance = np.asarray(np.einsum("...i,...ij,...j->...", w, joint.covariance, w))
    error = np.sqrt(np.where(variance > 0, variance, np.nan))
    reach = ndtri(0.5 + confidence / 2) * error
    return Utility(value, error, value - reach, value + reach, np.asarray(ndtr(-value / error)))


def slopes_of(moments: Moments, metric: Metric) -> Floats:
    """Return how the level moves with each column's mean: float64 [*axes, arms, columns]."""
    slope = np.zeros(moments.mean.shape)
    top = moments.column(metric.column)
    if metric.kind != "ratio":
        slope[..., top] = 1
        return slope
    bottom = moments.column(metric.denominator)
    below = np.where(moments.mean[..., bottom] != 0, moments.mean[..., bottom], np.nan)
    slope[..., top] = 1 / below
    slope[..., bottom] -= moments.mean[..., top] / below**2
    return slope


def _sandwich(left: Floats, middle: Floats, right: Floats) -> Floats:
    return np.asarray(left @ middle @ np.swapaxes(right, -1, -2))
