"""From feature columns to what the network reads: robust scales, missing flags, codes that start at 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STAT_ROWS = 200_000  # rows that medians and quartiles are taken from
_EDGE = 0.01  # share of the values on one side of the median that lie beyond that side's edge
_FURTHEST = 3.0  # deviations at most, whatever the edge: of a column that is seldom other than its median


@dataclass(frozen=True)
class ColumnScale:
    """How numeric columns are scaled: y = (asinh((x - centre) / width) - mean) / deviation in [low, high].

    asinh is linear near the centre and logarithmic in the tails, so one outlier cannot rule a column. What
    lies beyond nearly all that training saw counts as the edge of it, as in a tree: counts and times since
    keep growing in a young log, and a line drawn on beyond the data is a guess. A missing value becomes 0,
    the mean; columns that had some in training get a flag of their own besides.

    A ramp is a further number of its column: 0 up to one quantile of y, 1 from the next on, a line between,
    then scaled to mean 0 and deviation 1. A linear function of a column's ramps is a curve with a knot at
    each quantile (piecewise linear encoding, Gorishniy et al. 2022).
    """

    centre: NDArray[np.float32]  # [columns] median
    width: NDArray[np.float32]  # [columns] quartile range / 1.349, the standard deviation of a normal
    mean: NDArray[np.float32]  # [columns] after asinh
    deviation: NDArray[np.float32]  # [columns] after asinh
    low: NDArray[np.float32]  # [columns] least y, at most 0
    high: NDArray[np.float32]  # [columns] greatest y, at least 0
    flagged: NDArray[np.int64]  # places of the columns with a missing flag
    ramped: NDArray[np.int64]  # [ramps] place of each ramp's column
    foot: NDArray[np.float32]  # [ramps] y where it begins
    rise: NDArray[np.float32]  # [ramps] y from its beginning to its end
    ramp_mean: NDArray[np.float32]  # [ramps]
    ramp_deviation: NDArray[np.float32]  # [ramps]

    @property
    def columns(self) -> int:
        """Numbers that the network reads for one row."""
        return len(self.centre) + len(self.flagged) + len(self.ramped)


def measure_columns(values: NDArray[np.float32], ramps: int = 0) -> ColumnScale:
    """Return the scales of the columns of float32 [rows, columns]; NaN and infinities count as missing.

    A column without any value, or with one value only, is scaled to 0. Each column has at most `ramps`
    ramps, fewer where quantiles fall together, and none where fewer than two are left.
    """
    step = max(1, len(values) // _STAT_ROWS)
    sample = values[::step].astype(np.float64)
    missing = ~np.isfinite(sample)
    columns = values.shape[1]
    centre, width = np.zeros(columns), np.ones(columns)
    mean, deviation = np.zeros(columns), np.ones(columns)
    edges = np.zeros((2, columns))
    found = [np.zeros((5, 0))]
    for place in range(columns):
        known = sample[~missing[:, place], place]
        if not len(known):
            continue
        low, centre[place], high = np.quantile(known, (0.25, 0.5, 0.75))
        width[place] = (high - low) / 1.349 or known.std() or 1.0
        bent = np.arcsinh((known - centre[place]) / width[place])
        mean[place], deviation[place] = bent.mean(), bent.std() or 1.0
        edges[:, place] = np.clip((_edges(bent) - mean[place]) / deviation[place], -_FURTHEST, _FURTHEST)
        read = np.zeros(len(sample))
        read[~missing[:, place]] = np.clip((bent - mean[place]) / deviation[place], *edges[:, place])
        found.append(_ramps(read, place, ramps))
    ramped, foot, rise, ramp_mean, ramp_deviation = np.concatenate(found, axis=1).astype(np.float32)
    return ColumnScale(
        centre=centre.astype(np.float32),
        width=width.astype(np.float32),
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
        low=edges[0].astype(np.float32),
        high=edges[1].astype(np.float32),
        flagged=np.flatnonzero(missing.any(axis=0)),
        ramped=ramped.astype(np.int64),
        foot=foot,
        rise=rise,
        ramp_mean=ramp_mean,
        ramp_deviation=ramp_deviation,
    )


def _edges(bent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [low, high] of values whose median is 0, each of its own side's values.

    Of a column that is seldom other than its median, a quantile of all values is the median.
    """
    below, above = bent[bent < 0], bent[bent > 0]
    low = np.quantile(below, _EDGE) if len(below) else 0.0
    high = np.quantile(above, 1 - _EDGE) if len(above) else 0.0
    return np.array([low, high])


def _ramps(read: NDArray[np.float64], place: int, ramps: int) -> NDArray[np.float64]:
    """Return the column's place, foot, rise, mean and deviation of each ramp, [5, ramps found]."""
    knots = np.unique(np.quantile(read, np.linspace(0, 1, ramps + 1)))
    if len(knots) < 3:
        return np.zeros((5, 0))
    foot, rise = knots[:-1], np.diff(knots)
    climbed = np.clip((read[:, None] - foot) / rise, 0, 1)
    return np.stack([np.full(len(foot), place), foot, rise, climbed.mean(axis=0), climbed.std(axis=0)])


class ColumnReader:
    """`ColumnScale` as tensors on a device."""

    def __init__(self, scale: ColumnScale, device: torch.device) -> None:
        self._centre = torch.as_tensor(scale.centre, device=device)
        self._per_width = 1 / torch.as_tensor(scale.width, device=device)
        self._mean = torch.as_tensor(scale.mean, device=device)
        self._per_deviation = 1 / torch.as_tensor(scale.deviation, device=device)
        self._low = torch.as_tensor(scale.low, device=device)
        self._high = torch.as_tensor(scale.high, device=device)
        self._flagged = torch.as_tensor(scale.flagged, device=device)
        self._ramped = torch.as_tensor(scale.ramped, device=device)
        self._foot = torch.as_tensor(scale.foot, device=device)
        self._per_rise = 1 / torch.as_tensor(scale.rise, device=device)
        self._ramp_mean = torch.as_tensor(scale.ramp_mean, device=device)
        self._per_ramp_deviation = 1 / torch.as_tensor(scale.ramp_deviation, device=device)

    def __call__(self, values: Tensor) -> Tensor:
        """Return float32 [n, columns + flags + ramps] of raw float32 [n, columns]."""
        bent = _asinh((values - self._centre).mul_(self._per_width))
        # an infinity is as unknown as a NaN; it is 0 after this, as a missing value is
        scaled = bent.sub_(self._mean).mul_(self._per_deviation).nan_to_num_(0.0, 0.0, 0.0)
        parts = [scaled.clamp_(self._low, self._high)]
        if len(self._flagged):
            flagged = values.index_select(1, self._flagged)
            # x - x is 0 or, where x is not finite, NaN
            parts.append(flagged.sub_(flagged).nan_to_num_(1.0))
        if len(self._ramped):
            climbed = scaled.index_select(1, self._ramped).sub_(self._foot).mul_(self._per_rise).clamp_(0, 1)
            parts.append(climbed.sub_(self._ramp_mean).mul_(self._per_ramp_deviation))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _asinh(x: Tensor) -> Tensor:
    """Return asinh(x) = sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2))), NaN for infinities.

    PyTorch's own asinh works number by number on a CPU and takes five to ten times as long. Where x^2 is
    beyond float32 (|x| > 1.8e19) the result is less by ln 2.
    """
    size = x.abs()
    part = size / torch.addcmul(size.new_ones(()), size, size).sqrt_().add_(1)
    return torch.copysign(torch.addcmul(size, size, part).log1p_(), x)


def shift_codes(codes: Tensor, cardinalities: tuple[int, ...]) -> Tensor:
    """Return places in one joint embedding table for int32 [n, columns].

    Each column owns `cardinality + 1` places; the first of them is for missing, unknown and new codes.
    """
    size = torch.tensor(cardinalities, dtype=torch.int32, device=codes.device)
    start = torch.cat([size.new_zeros(1), (size + 1).cumsum(0, dtype=torch.int32)[:-1]])
    known = (codes >= 0) & (codes < size)
    return torch.where(known, codes + 1, 0) + start
