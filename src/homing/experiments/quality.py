"""Whether an experiment may be read at all: shares of arms, differences before the start, by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, gammaln, xlogy

from homing.experiments.differences import difference
from homing.experiments.metrics import Metric
from homing.experiments.moments import Floats, Moments
from homing.experiments.multiple import adjusted_p_values
from homing.schema.errors import InputError

#: Share of what varies in an arm that one unit may have. Ten equal events have as much each, and with fewer
#: than ten, intervals of relative differences are off by points (benchmarks/RESULTS.md).
MOST: Final = 0.1
#: A check that fails by chance costs an experiment, so it does in one of a thousand.
ALPHA: Final = 0.001


@dataclass(frozen=True)
class Check:
    """One quality check. What cannot be known does not pass."""

    name: str
    p_value: float  # NaN: not known
    alpha: float
    detail: str

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the experiment."""
        return bool(self.p_value >= self.alpha)


def sample_ratio(moments: Moments, shares: Mapping[str, float], *, alpha: float = ALPHA) -> Check:
    """Check that arms have the units that they were to have, by Pearson's chi-square, in each cell.

    Over several cells (segments, days) the p-value is the smallest by Holm, and the detail names the cell.

    Args:
        moments: whose counts are looked at.
        shares: of each planned arm; 0 for one that is switched off.
        alpha: below which it fails.

    Raises:
        InputError: shares that are negative or do not sum to 1.
    """
    planned = _planned(shares)
    count = np.stack([_count(moments, arm) for arm in planned], axis=-1)
    strays = [
        arm for arm in moments.arms if arm not in planned and moments.count[..., moments.arm(arm)].any()
    ]
    if strays:
        return Check("sample ratio", 0.0, alpha, f"arms {strays} are not in the plan")
    want = np.array(list(planned.values()))
    if count[..., want == 0].any():
        off = [arm for arm, share in planned.items() if share == 0]
        return Check("sample ratio", 0.0, alpha, f"arms {off} have a share of 0, and units")
    p = _chi_square_p(count[..., want > 0], want[want > 0])
    place = _worst(p)
    seen = count.reshape(-1, len(planned))[place]
    detail = ", ".join(
        f"{arm} {n:,.0f} of {seen.sum() * share:,.0f}"
        for arm, n, share in zip(planned, seen, planned.values(), strict=True)
    )
    return Check("sample ratio", _smallest(p), alpha, _cell(moments, place) + detail)


def sample_ratio_at_all_looks(count: ArrayLike, shares: Sequence[float]) -> Floats:
    """Return p-values of the shares of arms that hold at all looks at once: float64 [looks], never rising.

    One over the Bayes factor of multinomial shares with a Dirichlet prior around those planned, against
    exactly those (Lindon & Malek 2022, equation 8).

    Args:
        count: float [looks, arms] units up to and with each look.
        shares: [arms] planned, > 0.

    Raises:
        InputError: shares that do not sum to 1 or are 0, or shapes that do not fit.
    """
    want = np.array(list(_planned({str(i): share for i, share in enumerate(shares)}).values()))
    n = np.asarray(count, np.float64)
    if n.ndim != 2 or n.shape[1] != len(want) or not (want > 0).all():
        raise InputError(f"count has shape {n.shape}, must be [looks, {len(want)} arms], of shares above 0")
    prior = want * len(want)
    evidence = (
        gammaln(prior.sum())
        - gammaln(prior.sum() + n.sum(axis=1))
        + (gammaln(prior + n) - gammaln(prior) - xlogy(n, want)).sum(axis=1)
    )
    return np.asarray(np.exp(-np.maximum.accumulate(np.maximum(evidence, 0.0))))


def before_start(
    moments: Moments, metrics: Sequence[Metric], control: str = "control", *, alpha: float = ALPHA
) -> Check:
    """Check that arms did not differ before the start: the smallest p-value by Holm over arms and metrics.

    Args:
        moments: of values from before the start.
        metrics: of them.
        control: the arm that the others are compared with.
        alpha: below which it fails.

    Raises:
        InputError: no metrics, or names that are not there.
    """
    others = [arm for arm in moments.arms if arm != control]
    if not metrics or not others:
        raise InputError(f"metrics {metrics} and arms {moments.arms}: needs a metric, and an arm to compare")
    pairs = [(metric, arm) for metric in metrics for arm in others]
    p = np.stack([difference(moments, metric, arm, control).p_value for metric, arm in pairs], axis=-1)
    place = _worst(p)
    metric, arm = pairs[place % len(pairs)]
    detail = f"{metric.name} of {arm} differs most"
    return Check("before the start", _smallest(p), alpha, _cell(moments, place // len(pairs)) + detail)


def same_in_all(
    moments: Moments, metric: Metric, arm: str, axis: str, control: str = "control", *, alpha: float = ALPHA
) -> Check:
    """Check that an effect is the same in all cells of an axis, by Cochran's Q: segments, days, weekdays.

    A large early effect that fades is novelty; cells must be of different units, as users by their first day.

    Raises:
        InputError: names that are not there, other axes beside it, or fewer than two cells.
    """
    if [each.name for each in moments.axes] != [axis] or len(moments.axes[0].labels) < 2:
        raise InputError(f"moments by {[a.name for a in moments.axes]}, must be by {axis} only, in two cells")
    found = difference(moments, metric, arm, control)
    weight = 1 / found.std_error**2
    common = (weight * found.value).sum() / weight.sum()
    p = float(chdtrc(len(weight) - 1, (weight * (found.value - common) ** 2).sum()))
    place = int(np.argmax(np.nan_to_num(weight * (found.value - common) ** 2)))
    detail = f"{metric.name} is {found.value[place]:+.4g} at {axis} {moments.axes[0].labels[place]}"
    return Check(f"same in every {axis}", p, alpha, f"{detail}, {common:+.4g} in all")


def outliers(moments: Moments, column: str, extremes: ArrayLike, *, most: float = MOST) -> Check:
    """Check that no unit is much of what varies in its arm; else a mean is far from normal.

    The largest (y - mean)^2 / scatter vanishes where Lindeberg's condition holds. Where it does not, cap the
    column, as `min(y, cap)` with a cap from before the start, or take its logarithm.

    Args:
        moments: without axes.
        column: of them.
        extremes: float [arms, 2], least and largest value of the column in each arm.
        most: share of the scatter that one unit may have.

    Raises:
        InputError: moments with axes, an unknown column, or extremes of another shape.
    """
    ends = np.asarray(extremes, np.float64)
    if moments.axes or ends.shape != (len(moments.arms), 2):
        raise InputError(
            f"extremes has shape {ends.shape} and moments axes {[a.name for a in moments.axes]}, must be "
            f"[{len(moments.arms)} arms, 2] and none"
        )
    part = moments.select([column])
    far = ((ends - part.mean) ** 2).max(axis=1)
    scatter = part.scatter[:, 0, 0]
    share = np.where((part.count > 1) & (scatter > 0), far / np.where(scatter > 0, scatter, 1.0), 0.0)
    place = int(np.argmax(share))
    detail = f"one unit of {moments.arms[place]} has {share[place]:.0%} of what varies there"
    return Check(f"outliers: {column}", 1.0 if share[place] <= most else 0.0, ALPHA, detail)


def _planned(shares: Mapping[str, float]) -> Mapping[str, float]:
    values = np.array(list(shares.values()), np.float64)
    if not len(values) or not (values >= 0).all() or abs(values.sum() - 1) > 1e-9:
        raise InputError(f"shares == {dict(shares)}, must be >= 0 and sum to 1")
    return shares


def _count(moments: Moments, arm: str) -> Floats:
    """Return the units of an arm; 0 where a planned arm has none at all."""
    if arm not in moments.arms:
        return np.zeros(moments.count.shape[:-1])
    return moments.count[..., moments.arm(arm)]


def _chi_square_p(count: Floats, want: Floats) -> Floats:
    """Return p-values over the last axis; NaN where there are no units."""
    expected = count.sum(axis=-1, keepdims=True) * want
    statistic = ((count - expected) ** 2 / np.where(expected > 0, expected, np.nan)).sum(axis=-1)
    return np.asarray(chdtrc(count.shape[-1] - 1, statistic))


def _worst(p: Floats) -> int:
    return int(np.argmin(np.where(np.isnan(p), np.inf, p)))


def _smallest(p: Floats) -> float:
    """Return the smallest p-value, adjusted for being the smallest."""
    flat = p.ravel()
    known = flat[~np.isnan(flat)]
    return float(adjusted_p_values(known, "holm").min()) if len(known) else float("nan")


def _cell(moments: Moments, place: int) -> str:
    if not moments.axes:
        return ""
    cell = np.unravel_index(place, [len(axis.labels) for axis in moments.axes])
    return " ".join(f"{a.name} {a.labels[i]}" for a, i in zip(moments.axes, cell, strict=True)) + ": "
