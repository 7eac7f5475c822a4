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
    """

    centre: NDArray[np.float32]  # [columns] median
    width: NDArray[np.float32]  # [columns] quartile range / 1.349, the standard deviation of a normal
    mean: NDArray[np.float32]  # [columns] after asinh
    deviation: NDArray[np.float32]  # [columns] after asinh
    low: NDArray[np.float32]  # [columns] least y, at most 0
    high: NDArray[np.float32]  # [columns] greatest y, at least 0
    flagged: NDArray[np.int64]  # places of the columns with a missing flag

    @property
    def columns(self) -> int:
        """Numbers that the network reads for one row."""
        return len(self.centre) + len(self.flagged)


def measure_columns(values: NDArray[np.float32]) -> ColumnScale:
    """Return the scales of the columns of float32 [rows, columns]; NaN and infinities count as missing.

    A column without any value, or with one value only, is scaled to 0.
    """
    step = max(1, len(values) // _STAT_ROWS)
    sample = values[::step].astype(np.float64)
    missing = ~np.isfinite(sample)
    columns = values.shape[1]
    centre, width = np.zeros(columns), np.ones(columns)
    mean, deviation = np.zeros(columns), np.ones(columns)
    edges = np.zeros((2, columns))
    for place in range(columns):
        known = sample[~missing[:, place], place]
        if not len(known):
            continue
        low, centre[place], high = np.quantile(known, (0.25, 0.5, 0.75))
        width[place] = (high - low) / 1.349 or known.std() or 1.0
        bent = np.arcsinh((known - centre[place]) / width[place])
        mean[place], deviation[place] = bent.mean(), bent.std() or 1.0
        edges[:, place] = np.clip((_edges(bent) - mean[place]) / deviation[place], -_FURTHEST, _FURTHEST)
    return ColumnScale(
        centre=centre.astype(np.float32),
        width=width.astype(np.float32),
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
        low=edges[0].astype(np.float32),
        high=edges[1].astype(np.float32),
        flagged=np.flatnonzero(missing.any(axis=0)),
    )


def _edges(bent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [low, high] of values whose median is 0, each of its own side's values.

    Of a column that is seldom other than its median, a quantile of all values is the median.
    """
    below, above = bent[bent < 0], bent[bent > 0]
    low = np.quantile(below, _EDGE) if len(below) else 0.0
    high = np.quantile(above, 1 - _EDGE) if len(above) else 0.0
    return np.array([low, high])


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

    def __call__(self, values: Tensor) -> Tensor:
        """Return float32 [n, columns + flags] of raw float32 [n, columns]."""
        bent = _asinh((values - self._centre).mul_(self._per_width))
        # an infinity is as unknown as a NaN; it is 0 after this, as a missing value is
        scaled = bent.sub_(self._mean).mul_(self._per_deviation).nan_to_num_(0.0, 0.0, 0.0)
        scaled.clamp_(self._low, self._high)
        if not len(self._flagged):
            return scaled
        flagged = values.index_select(1, self._flagged)
        # x - x is 0 or, where x is not finite, NaN
        return torch.cat([scaled, flagged.sub_(flagged).nan_to_num_(1.0)], dim=1)


def _asinh(x: Tensor) -> Tensor:
    """Return asinh(x) = sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2))), NaN for infinities.

    PyTorch's own asinh works number by number on a CPU and takes five to ten times as long.
    """
    size = x.abs()
    part = size / torch.hypot(size, size.new_ones(())).add_(1)
    return torch.copysign(torch.addcmul(size, size, part).log1p_(), x)


def shift_codes(codes: Tensor, cardinalities: tuple[int, ...]) -> Tensor:
    """Return places in one joint embedding table for int32 [n, columns].

    Each column owns `cardinality + 1` places; the first of them is for missing, unknown and new codes.
    """
    size = torch.tensor(cardinalities, dtype=torch.int32, device=codes.device)
    start = torch.cat([size.new_zeros(1), (size + 1).cumsum(0, dtype=torch.int32)[:-1]])
    known = (codes >= 0) & (codes < size)
    return torch.where(known, codes + 1, 0) + start
