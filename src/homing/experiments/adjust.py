"""Less noise from what was known before the start: CUPED, CUPAC, post-stratification. Moments to moments.

An adjusted column is y - theta (x - the mean of x over all arms). Its mean in an arm is the arm's mean less
theta times how much the arm differed by chance before the start (Deng, Xu, Kohavi & Walker 2013). A
prediction of y from before the start is a covariate like any other (CUPAC). The numerator and the denominator
of a ratio are adjusted each; least squares makes that best for the ratio, too.

What arms share after it, the noise of the common mean of x, cancels in absolute differences and not in
relative ones; it is kept in `Moments.shared`, so that relative intervals also cover for large effects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from homing.experiments.metrics import Metric
from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError

Slopes = Literal["within", "optimal", "total"]

#: Covariates whose correlation matrix has a smaller eigenvalue than this repeat each other.
_COLLINEAR: Final = 1e-10


def adjust(
    moments: Moments, covariates: Mapping[str, Sequence[str]], *, slopes: Slopes = "optimal"
) -> Moments:
    """Return the moments of columns adjusted by covariates.

    Args:
        moments: of the columns and of their covariates.
        covariates: of each column. Where a covariate was scanned with `missing`, the mark of where it is
            missing is a covariate, too. Other columns stay as they are.
        slopes: `within` arms, as in the analysis of covariance; `optimal`, the least variance of the
            difference of two arms, also where they are of unequal size and the slope differs between them;
            `total`, over all units without regard to arms and without counting the slopes as fitted, as
            first published.

    Raises:
        InputError: no covariates, columns that are not there or not scanned, too few units, or moments that
            were adjusted before.
    """
    if slopes not in get_args(Slopes):
        raise InputError(f"slopes == {slopes!r}, must be one of {get_args(Slopes)}")
    if moments.shared is not None:
        raise InputError("the moments were adjusted before; adjust by all covariates at once")
    size = len(moments.columns)
    matrix = np.tile(np.eye(size), (*moments.count.shape[:-1], 1, 1))
    fitted = np.zeros(size)
    for column, names in covariates.items():
        y, x = moments.column(column), _places(moments, column, names)
        matrix[..., y, x] = -_theta(moments, y, x, slopes)
        fitted[y] = 0 if slopes == "total" else len(x)
    return _transformed(moments, matrix, _inflation(moments, fitted, slopes))


def post_stratify(moments: Moments, axis: str, weights: ArrayLike | None = None) -> Moments:
    """Return moments whose means are weighted over strata alike in every arm; the axis goes away.

    The scatter is what makes `scatter / (n - 1) / n` the variance of the weighted mean, sum of
    w_h^2 s_h^2 / n_h (Miratrix, Sekhon & Yu 2013, equation 16), so analyses go on as if nothing happened.

    Args:
        moments: with strata, from before the start, as an axis.
        axis: its name.
        weights: float [strata], known shares of the population; None: shares of the experiment, whose noise
            then counts where effects differ between strata.

    Raises:
        InputError: a stratum with fewer than two units in an arm, or weights that are not shares.
    """
    place = moments.axis(axis)
    if moments.shared is not None:
        raise InputError("the moments were adjusted before; post-stratify first, or adjust by strata")
    count, mean = np.moveaxis(moments.count, place, 0), np.moveaxis(moments.mean, place, 0)
    noise = np.moveaxis(moments.covariance_of_means, place, 0)
    labels = moments.axes[place].labels
    thin = count.reshape(len(labels), -1).min(axis=1) < 2
    if thin.any():
        label = labels[int(np.flatnonzero(thin)[0])]
        raise InputError(f"{axis} {label!r} has fewer than two units in an arm; merge strata")
    size = count.sum(axis=-1)
    share = size / size.sum(axis=0) if weights is None else _shares(weights, size)
    n = count.sum(axis=0)
    weighted = (share[..., None, None] * mean).sum(axis=0)
    variance = (share[..., None, None, None] ** 2 * noise).sum(axis=0)
    off = mean - weighted
    between = np.einsum("h...,h...ai,h...bj->...abij", share, off, off)
    between /= size.sum(axis=0)[..., None, None, None, None]
    return replace(
        moments,
        count=n,
        mean=weighted,
        scatter=variance * (n * (n - 1))[..., None, None],
        axes=moments.axes[:place] + moments.axes[place + 1 :],
        shared=between if weights is None else None,
    )


def products_for(
    covariates: Mapping[str, Sequence[str]], metrics: Sequence[Metric] = ()
) -> list[tuple[str, str]]:
    """Return the pairs of columns that adjusting and ratios need, for `products` of a lazy table."""
    pairs = {(m.column, m.denominator) for m in metrics if m.kind == "ratio"}
    sets = [(column, *names) for column, names in covariates.items()]
    sets.extend(
        (m.column, m.denominator, *covariates[m.column], *covariates[m.denominator])
        for m in metrics
        if m.kind == "ratio" and m.column in covariates and m.denominator in covariates
    )
    pairs |= {(a, b) for names in sets for a in names for b in names if a < b}
    return sorted(pairs)


def variance_reduction(before: Moments, after: Moments, column: str) -> Floats:
    """Return the share of a column's variance within arms that an adjustment took away: float64 [*axes].

    It is NaN where the column did not vary, and under 0 where fitting cost more than it brought.
    """
    whole, left = (each.select([column]).scatter[..., 0, 0].sum(axis=-1) for each in (before, after))
    return np.asarray(1 - left / np.where(whole > 0, whole, np.nan))


def _places(moments: Moments, column: str, names: Sequence[str]) -> list[int]:
    if not names or column in names:
        raise InputError(f"{column} has covariates {names}, must have some, and not itself")
    marks = [f"{name} missing" for name in names if f"{name} missing" in moments.columns]
    return [moments.column(name) for name in dict.fromkeys([*names, *marks])]


def _theta(moments: Moments, y: int, x: list[int], slopes: Slopes) -> Floats:
    """Return the slopes of column y on columns x: float64 [*axes, x]."""
    scatter = moments.scatter[..., [*x, y], :][..., [*x, y]]
    if np.isnan(scatter).any():
        raise InputError(
            f"products of {moments.columns[y]} and its covariates were not scanned; see `products_for`"
        )
    n = moments.count
    if slopes == "total":
        mean = moments.mean[..., [*x, y]]
        off = mean - ((n / n.sum(axis=-1, keepdims=True))[..., None] * mean).sum(axis=-2, keepdims=True)
        scatter = scatter + n[..., None, None] * off[..., :, None] * off[..., None, :]
    elif slopes == "optimal":
        scatter = scatter / np.maximum(n * (n - 1), 1)[..., None, None]
    pooled = scatter.sum(axis=-3)
    inside, across = pooled[..., :-1, :-1], pooled[..., :-1, -1]
    deviation = np.sqrt(np.diagonal(inside, axis1=-2, axis2=-1))
    unit = np.where(deviation > 0, deviation, 1)
    correlation = inside / unit[..., :, None] / unit[..., None, :]
    inverse = np.linalg.pinv(correlation, rcond=_COLLINEAR, hermitian=True)
    return np.asarray(np.einsum("...ij,...j->...i", inverse, across / unit) / unit)


def _inflation(moments: Moments, fitted: Floats, slopes: Slopes) -> Floats:
    """Return what residual scatter lacks for slopes having been fitted: float64 [*axes, arms, columns] >= 1.

    With k slopes of sum w_a S_xx,a and h_a the share of arm a in it, residuals in arm a have the scatter
    sigma^2 (n_a - 1 - 2 k h_a + (n_a - 1) k q), q = sum h_b^2 / (n_b - 1), and the slopes' own error adds k q
    to the variance of the difference. `within`: 1 / q is the units less the arms. `optimal`: about the units
    of the smallest arm, whose slope it mostly is.
    """
    n = moments.count
    spare = np.maximum(n - 1, 0)
    mass = np.where(spare > 0, 1 / np.maximum(n, 1), 0.0) if slopes == "optimal" else spare
    share = mass / np.maximum(mass.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    each = share / np.maximum(spare, 1)
    error = np.where(mass.any(axis=-1), (share * each).sum(axis=-1), 1.0)[..., None, None]
    left = 1 - 2 * fitted * each[..., None] + fitted * error
    if (fitted * error > 1 - error).any() or not (left > 0).all():
        raise InputError(
            f"an experiment of {n.sum(axis=-1).min():g} units with {n.min():g} in an arm is too small for "
            f"{int(fitted.max())} covariates; use fewer"
        )
    return np.asarray((1 + fitted * error if slopes == "optimal" else 1.0) / left)


def _transformed(moments: Moments, matrix: Floats, inflation: Floats) -> Moments:
    """Return the moments of matrix [*axes, columns, columns] times columns, covariates less their centre."""
    n = moments.count
    units = n.sum(axis=-1)
    known = np.where(np.isnan(moments.scatter), 0, moments.scatter)
    scatter = matrix[..., None, :, :] @ known @ np.swapaxes(matrix, -1, -2)[..., None, :, :]
    used = (matrix != 0).astype(np.float64)
    unknown = used @ np.isnan(moments.scatter).any(axis=-3) @ np.swapaxes(used, -1, -2) > 0
    factor = np.sqrt(inflation)
    scatter *= factor[..., :, None] * factor[..., None, :]
    part = matrix - np.eye(len(moments.columns))
    centre = ((n / units[..., None])[..., None] * moments.mean).sum(axis=-2)
    common = np.einsum("...ij,...j->...i", part, centre)
    shared = _shared(known, n, matrix, part)
    return replace(
        moments,
        mean=np.einsum("...ij,...aj->...ai", matrix, moments.mean) - common[..., None, :],
        scatter=np.where(unknown[..., None, :, :], np.nan, scatter),
        shared=np.where(unknown[..., None, None, :, :], np.nan, shared),
    )


def _shared(scatter: Floats, count: Floats, matrix: Floats, part: Floats) -> Floats:
    """Return the covariance of the means of arms a and b that comes from the centre, x's mean over all arms.

    The mean of arm a is T m_a - B m, with T `matrix`, B `part` and m = sum of n_a m_a / N. So it is
    (B V B' - T C_a B' - B C_b T') / N, with C_a the covariance in arm a and V the mean of them by units.
    Where slopes are those of each arm, T C_a B' is 0; else residuals go along with the centre.
    """
    units = count.sum(axis=-1)[..., None, None]
    covariance = scatter / np.maximum(count - 1, 1)[..., None, None]
    average = (count[..., None, None] * covariance).sum(axis=-3) / units
    centre = part @ average @ np.swapaxes(part, -1, -2) / units
    along = matrix[..., None, :, :] @ covariance @ np.swapaxes(part, -1, -2)[..., None, :, :]
    along = along / units[..., None, :, :]
    return np.asarray(
        centre[..., None, None, :, :]
        - along[..., :, None, :, :]
        - np.swapaxes(along, -1, -2)[..., None, :, :, :]
    )


def _shares(weights: ArrayLike, size: Floats) -> Floats:
    share = np.asarray(weights, np.float64)
    if share.shape != size.shape[:1] or not (share >= 0).all() or abs(share.sum() - 1) > 1e-6:
        raise InputError(f"weights == {weights!r}, must be {len(size)} shares that sum to 1")
    return np.broadcast_to(share.reshape(-1, *([1] * (size.ndim - 1))), size.shape)
