"""Long-term effects from short-term ones, and the errors that this adds.

A long-term outcome y, as a year's spend, is known for users of the past, and the short-term outcomes s of an
experiment, as visits and opt-outs of its weeks, are surrogates for it. The surrogate index (Athey, Chetty,
Imbens & Kang 2019) is E[y | s], here linear, h(s) = a + b s, and an arm's long-term effect is its effect on
the index. Three errors add: of the experiment, of b, and of surrogacy, as effects of an arm may reach y on
other ways (Prentice 1989). The last does not shrink with users; experiments that have run for long show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri

from homing.experiments.differences import quantile, tail
from homing.experiments.joint import joint_difference
from homing.experiments.metrics import mean
from homing.experiments.moments import Floats, Moments
from homing.schema.errors import InputError


@dataclass(frozen=True)
class SurrogateIndex:
    """How a long-term outcome goes with short-term ones, among users of the same arm."""

    outcome: str
    surrogates: tuple[str, ...]
    slopes: Floats  # [surrogates] in units of the outcome a unit of each
    covariance: Floats  # [surrogates, surrogates] of the slopes
    explained: float  # share of the outcome's variance within arms


@dataclass(frozen=True)
class LongTermEffect:
    """An arm's effect on a long-term outcome, by its surrogates; in units of the outcome."""

    value: float
    std_error: float
    low: float
    high: float
    p_value: float  # of no effect, two-sided
    from_experiment: float  # standard errors: of the short-term differences
    from_index: float  # of the slopes
    from_surrogacy: float  # of the error that was given
    degrees: float  # of freedom; inf: normal


@dataclass(frozen=True)
class Surrogacy:
    """What of an arm's long-term effect goes through the surrogates, where both are known."""

    total: float  # the effect on the outcome itself
    through: float  # the effect on the index
    direct: float  # total - through: the error of the index
    std_error: float  # of `direct`
    low: float
    high: float
    p_value: float  # of Prentice's criterion, no direct effect


@dataclass(frozen=True)
class SurrogacyError:
    """Standard deviation of direct effects over experiments, with its interval."""

    value: float
    low: float
    high: float
    experiments: int
    variance: float  # of the square of `value`


def surrogate_index(past: Moments, outcome: str, surrogates: Sequence[str]) -> SurrogateIndex:
    """Return the linear index of an outcome, from users for whom it is known.

    b = S_ss^-1 S_sy by the scatters within arms, covariance sigma^2 S_ss^-1 with sigma^2 the mean square of
    the residuals: users' residuals are taken to vary alike. Slopes hold for an experiment where the outcome
    goes with surrogates as it did in the past (comparability).

    Args:
        past: of the outcome and the surrogates with their products; several arms are pooled within.
        outcome: column, long-term.
        surrogates: columns, short-term.

    Raises:
        InputError: moments with axes or adjusted, unknown columns, products that were not scanned, too few
            users, or surrogates that repeat each other or do not vary.
    """
    part, place = _part(past, outcome, surrogates), len(surrogates)
    scatter = part.scatter.sum(axis=0)
    degrees = float(part.count.sum()) - len(part.arms) - place
    if degrees < 1:
        raise InputError(f"past has {part.count.sum():g} users, too few for {place} surrogates")
    among, across = scatter[:place, :place], scatter[:place, place]
    if np.linalg.matrix_rank(among, hermitian=True) < place:
        raise InputError(f"surrogates {list(surrogates)} repeat each other or do not vary; leave one out")
    slopes = np.linalg.solve(among, across)
    whole = float(scatter[place, place])
    left = max(whole - float(slopes @ across), 0.0)
    explained = 1 - left / whole if whole > 0 else float("nan")
    return SurrogateIndex(
        outcome, tuple(surrogates), slopes, left / degrees * np.linalg.inv(among), explained
    )


def long_term_effect(
    index: SurrogateIndex,
    moments: Moments,
    arm: str,
    control: str = "control",
    *,
    surrogacy_error: SurrogacyError | float,
    confidence: float = 0.95,
) -> LongTermEffect:
    """Return an arm's effect on the outcome that has not come yet.

    With differences d of the surrogates, their covariance D and the covariance B of the slopes b, it is b'd
    with variance b'Db + d'Bd (delta method) and the square of the error of surrogacy. Where that is an
    estimate, with variance v of its square, the interval is of t with 2 V^2 / v degrees of freedom for the
    whole variance V (Satterthwaite 1946).

    Args:
        index: from the past, from other users than these.
        moments: of the experiment, with the surrogates and their products.
        arm: which arm.
        control: what it is compared with.
        surrogacy_error: of effects on the outcome that pass the surrogates by, as `surrogacy_error` estimates
            it; or a number that is taken as known, in units of the outcome. 0 says that there are none.
        confidence: of the interval.

    Raises:
        InputError: unknown names, moments with axes, products that were not scanned, or options outside their
            range.
    """
    if isinstance(surrogacy_error, SurrogacyError):
        past, variance = surrogacy_error.value, surrogacy_error.variance
    else:
        past, variance = surrogacy_error, 0.0
    if not 0 <= past < np.inf:
        raise InputError(f"surrogacy_error == {past}, must be >= 0, in units of {index.outcome}")
    _check_confidence(confidence)
    shift, noise = _moved(moments, index.surrogates, arm, control)
    b = index.slopes
    value = float(b @ shift)
    in_experiment = float(np.sqrt(b @ noise @ b))
    in_index = float(np.sqrt(shift @ index.covariance @ shift))
    error = float(np.sqrt(in_experiment**2 + in_index**2 + past**2))
    degrees = 2 * error**4 / variance if variance > 0 else np.inf
    bounds = _interval(value, error, confidence, degrees)
    return LongTermEffect(value, error, *bounds, in_experiment, in_index, past, degrees)


def surrogacy(
    index: SurrogateIndex, moments: Moments, arm: str, control: str = "control", confidence: float = 0.95
) -> Surrogacy:
    """Return how an experiment whose long-term outcome is known splits into the index and the rest.

    The rest is the outcome's difference less b'd. With an index of the same experiment it is the arm's
    coefficient in a regression on arm and surrogates, of which Prentice (1989) asks that it be 0; with one
    from other users, it is what the index got wrong. A high p-value is no proof of surrogacy: read the
    interval.

    Args:
        index: of the outcome.
        moments: of the experiment, with outcome, surrogates and their products.
        arm: which arm.
        control: what it is compared with.
        confidence: of the interval.

    Raises:
        InputError: as `long_term_effect`.
    """
    _check_confidence(confidence)
    shift, noise = _moved(moments, (*index.surrogates, index.outcome), arm, control)
    gradient = np.append(-index.slopes, 1.0)
    direct, through = float(gradient @ shift), float(index.slopes @ shift[:-1])
    variance = gradient @ noise @ gradient + shift[:-1] @ index.covariance @ shift[:-1]
    error = float(np.sqrt(variance))
    return Surrogacy(float(shift[-1]), through, direct, error, *_interval(direct, error, confidence, np.inf))


def surrogacy_error(direct: ArrayLike, std_error: ArrayLike, confidence: float = 0.95) -> SurrogacyError:
    """Return the standard deviation about 0 of direct effects, their noise taken off.

    With K experiments, Q(t) = sum direct^2 / (std_error^2 + t^2) is chi-squared with K degrees of freedom at
    the true t: the value has Q = K (Paule & Mandel 1982, with a mean of 0), the interval has Q at its
    quantiles (Viechtbauer 2007). Experiments are taken as a sample of those to come; with few, `high` is the
    honest choice.

    Args:
        direct: float [experiments], `direct` of `surrogacy`, in one unit.
        std_error: float [experiments] > 0.
        confidence: of the interval.

    Raises:
        InputError: shapes that differ, no experiment, or values that are not finite or positive.
    """
    from scipy.optimize import brentq  # half a second that every command would wait for

    d, s = np.asarray(direct, np.float64), np.asarray(std_error, np.float64)
    if d.ndim != 1 or not len(d) or s.shape != d.shape:
        raise InputError(f"direct has shape {d.shape} and std_error {s.shape}, must be [experiments] both")
    if not (np.isfinite(d).all() and np.isfinite(s).all() and (s > 0).all()):
        raise InputError("direct must be finite, and std_error > 0")
    _check_confidence(confidence)
    size, beyond = len(d), (1 - confidence) / 2

    def solved(wanted: float) -> float:
        def excess(t: float) -> float:
            return float((d**2 / (s**2 + t**2)).sum()) - wanted

        if excess(0.0) <= 0:
            return 0.0
        return float(brentq(excess, 0.0, 2 * float(np.sqrt((d**2).sum() / wanted))))

    low, high = solved(float(chdtri(size, beyond))), solved(float(chdtri(size, 1 - beyond)))
    value = solved(float(size))
    return SurrogacyError(value, low, high, size, 2 / float(((s**2 + value**2) ** -2.0).sum()))


def _moved(moments: Moments, columns: Sequence[str], arm: str, control: str) -> tuple[Floats, Floats]:
    """Return the differences of means of columns and their covariance."""
    if moments.axes:
        raise InputError(f"moments have axes {[a.name for a in moments.axes]}, must have none; take `total`")
    joint = joint_difference(moments, [mean(name) for name in columns], arm, control, scale="absolute")
    return joint.value, joint.covariance


def _part(moments: Moments, outcome: str, surrogates: Sequence[str]) -> Moments:
    if moments.axes or moments.shared is not None or not surrogates:
        raise InputError("past must have no axes and not be adjusted, and surrogates at least one column")
    part = moments.select([*surrogates, outcome])
    if np.isnan(part.scatter).any():
        raise InputError(
            f"products of {list(part.columns)} were not all scanned; name the pairs in `products`"
        )
    return part


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")


def _interval(value: float, error: float, confidence: float, degrees: float) -> tuple[float, float, float]:
    """Return the bounds and the two-sided p-value."""
    reach = float(quantile(confidence, np.asarray(degrees), "two-sided")) * error
    p = float(tail(np.asarray(value / error), np.asarray(degrees), "two-sided")) if error > 0 else np.nan
    return value - reach, value + reach, p
