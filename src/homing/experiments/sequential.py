"""Looking before the end: how many standard errors an interval must reach so that all looks together hold.

Group sequential bounds are for a few looks at planned shares of the information: the narrowest at the end.
Always-valid ones hold at every look, of which nobody need know before, and are wider. Both are multiples of
the standard error at each look, for `critical` of `difference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr, ndtri

from homing.experiments.differences import Alternative
from homing.experiments.moments import Floats
from homing.schema.errors import InputError
from homing.statistics import best_mixing, normal_mixture

Spending = Literal["obrien_fleming", "pocock", "hwang_shih_decani"]

#: Statistics beyond it have a probability under 1e-18 and are not integrated over.
_FAR: Final = 8.8
#: Panels of 16 Gauss-Legendre nodes span this many standard deviations of the step between two looks.
_PANEL: Final = 4.0
_PLACE, _WEIGHT = np.polynomial.legendre.leggauss(16)
_HALVINGS: Final = 60


@dataclass(frozen=True)
class Bounds:
    """Group sequential bounds, float64 [looks]."""

    fraction: Floats  # of the planned information; the last may exceed 1
    critical: Floats  # standard errors; stop where the statistic is beyond
    spent: Floats  # alpha up to and with each look
    alternative: Alternative


def spend(
    fraction: ArrayLike, alpha: float = 0.05, spending: Spending = "obrien_fleming", gamma: float = -4.0
) -> Floats:
    """Return the alpha that may be spent up to shares of the information: float64 like `fraction`.

    Lan & DeMets (1983) for `obrien_fleming`, 2 - 2 Phi(z / sqrt t), and `pocock`, alpha log(1 + (e - 1) t);
    Hwang, Shih & DeCani (1990), alpha (1 - exp(-gamma t)) / (1 - exp(-gamma)), where -4 is near the former
    and 1 near the latter.

    Args:
        fraction: [looks] > 0; after 1 all is spent.
        alpha: of all looks together, on one side.
        spending: the function.
        gamma: of `hwang_shih_decani`.

    Raises:
        InputError: an unknown function, or `alpha` outside (0, 1).
    """
    _check_alpha(alpha)
    share = np.minimum(np.asarray(fraction, np.float64), 1.0)
    if spending == "obrien_fleming":
        return np.asarray(2 * ndtr(ndtri(alpha / 2) / np.sqrt(share)))
    if spending == "pocock":
        return alpha * np.log1p((np.e - 1) * share)
    if spending == "hwang_shih_decani":
        return alpha * (share if gamma == 0 else np.expm1(-gamma * share) / np.expm1(-gamma))
    raise InputError(f"spending == {spending!r}, must be one of {get_args(Spending)}")


def group_sequential(
    fraction: ArrayLike,
    alpha: float = 0.05,
    spending: Spending = "obrien_fleming",
    *,
    gamma: float = -4.0,
    alternative: Alternative = "two-sided",
) -> Bounds:
    """Return bounds for looks at shares of the planned information, equal or not.

    Looks may be fewer or others than planned, as long as their times do not follow the results; bounds of the
    looks that were depend on no later ones. Statistics at looks are jointly normal with correlation
    sqrt(t_j / t_k), integrated look by look (Armitage, McPherson & Rowe 1969; Jennison & Turnbull 2000,
    chapter 19).

    Args:
        fraction: [looks] rising, > 0, of the planned information, such as users over planned users.
        alpha: of all looks together; two-sided bounds spend half of it on each side.
        spending: how alpha is spent.
        gamma: of `hwang_shih_decani`.
        alternative: which sides stop; `less` has the bounds of `greater`, for minus the statistic.

    Raises:
        InputError: shares that do not rise from above 0, or an option as in `spend`.
    """
    share = _rising(fraction)
    _check_alpha(alpha)
    sides = 2 if alternative == "two-sided" else 1
    spent = sides * spend(share, alpha / sides, spending, gamma)
    critical = np.empty(len(share))
    walk = _Walk(sides == 2)
    for look, increment in enumerate(np.diff(spent, prepend=0.0) / sides):
        walk.step(share[look])
        critical[look] = walk.bound_for(increment)
        walk.stop_beyond(critical[look])
    return Bounds(share, critical, spent, alternative)


def crossing_probability(
    critical: ArrayLike, fraction: ArrayLike, drift: float = 0.0, *, two_sided: bool = True
) -> Floats:
    """Return the probability of stopping at each look for the first time: float64 [looks], both sides.

    Args:
        critical: [looks] bounds.
        fraction: [looks] shares of the information.
        drift: expected statistic at share 1; its sum over looks is the power.
        two_sided: whether minus the bound stops, too.

    Raises:
        InputError: as `group_sequential`, or lengths differ.
    """
    share, bound = _rising(fraction), np.asarray(critical, np.float64)
    if bound.shape != share.shape:
        raise InputError(f"critical has shape {bound.shape}, must have {share.shape} like fraction")
    walk, stopped = _Walk(two_sided, drift), np.empty(len(share))
    for look in range(len(share)):
        walk.step(share[look])
        stopped[look] = walk.above(bound[look]) + (walk.below(-bound[look]) if two_sided else 0.0)
        walk.stop_beyond(bound[look])
    return stopped


def always_valid(
    std_error: ArrayLike, best_at: float, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Floats:
    """Return the critical value of an interval that holds at all looks at once: float64 like `std_error`.

    The mixture sequential probability ratio test with effects N(0, tau^2) (Robbins 1970; Johari et al. 2022)
    and the asymptotic confidence sequence (Waudby-Smith et al. 2024, theorem 2.2) are one interval:
    c^2 = (1 + 1/r) (log(1 + r) - 2 log alpha), r = (tau / std_error)^2. One-sided, effects are half-normal.

    Args:
        std_error: of the estimates at the looks, from all units up to each.
        best_at: the standard error at which the interval is to be narrowest; set before the start.
        alpha: of all looks together.
        alternative: as of the interval.

    Raises:
        InputError: `alpha` outside (0, 1), or `best_at` or a standard error not positive.
    """
    r = _mixture(std_error, best_at, alpha)
    if alternative == "two-sided":
        return np.asarray(normal_mixture(1.0, 1 / r, alpha))
    low, high = np.zeros(r.shape), normal_mixture(1.0, 1 / r, alpha)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = _log_evidence(middle, r, one_sided=True) > -np.log(alpha)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(np.isnan(r), np.nan, high)


def always_valid_p(
    estimate: ArrayLike,
    std_error: ArrayLike,
    best_at: float,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> Floats:
    """Return p-values that hold at all looks at once: float64 [*, looks], never rising along the looks.

    Args:
        estimate: [*, looks] differences from the null, on a scale where they are nearly normal.
        std_error: [*, looks] of them.
        best_at: as in `always_valid`.
        alpha: for which `best_at` is best.
        alternative: as of the test.

    Raises:
        InputError: as `always_valid`.
    """
    r = _mixture(std_error, best_at, alpha)
    z = np.asarray(estimate, np.float64) / np.asarray(std_error, np.float64)
    signed = -z if alternative == "less" else z
    evidence = _log_evidence(signed, r, one_sided=alternative != "two-sided")
    return np.asarray(np.exp(-np.fmax.accumulate(np.maximum(evidence, 0.0), axis=-1)))


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"alpha == {alpha}, must be in (0, 1)")


def _mixture(std_error: ArrayLike, best_at: float, alpha: float) -> Floats:
    """Return r = (tau / std_error)^2 with tau from Waudby-Smith et al. (2024), appendix B.2."""
    _check_alpha(alpha)
    if not best_at > 0:
        raise InputError(f"best_at == {best_at}, must be > 0: the standard error where it matters most")
    error = np.asarray(std_error, np.float64)
    if (error <= 0).any():
        raise InputError(f"std_error has a minimum of {np.nanmin(error):g}, must be > 0, or NaN: not known")
    return np.asarray(best_mixing(alpha) * (best_at / error) ** 2)


def _log_evidence(z: Floats, r: Floats, *, one_sided: bool) -> Floats:
    evidence = z**2 * r / (1 + r) / 2 - np.log1p(r) / 2
    if one_sided:
        evidence = evidence + np.log(2) + log_ndtr(z * np.sqrt(r / (1 + r)))
    return np.asarray(evidence)


def _rising(fraction: ArrayLike) -> Floats:
    share = np.asarray(fraction, np.float64)
    if share.ndim != 1 or not len(share) or not share[0] > 0 or not (np.diff(share) > 0).all():
        raise InputError(f"fraction == {fraction!r}, must rise from above 0, as [0.25, 0.5, 1]")
    return share


class _Walk:
    """The part of a Brownian motion that has not stopped: probabilities of its score at nodes."""

    def __init__(self, two_sided: bool, drift: float = 0.0) -> None:
        self.two_sided, self.drift = two_sided, drift
        self.time, self.spread, self.bound = 0.0, 0.0, float("inf")
        self.nodes, self.mass = np.zeros(1), np.ones(1)
        self.centre = self.nodes

    def step(self, time: float) -> None:
        """Go on to the next look."""
        spread = float(np.sqrt(time - self.time))
        if self.time > 0:
            self._continue(min(spread, self.spread))
        self.centre = self.nodes + self.drift * (time - self.time)
        self.time, self.spread = time, spread

    def above(self, bound: float) -> float:
        """Return the probability of a statistic above a bound, not having stopped before."""
        return float(self.mass @ ndtr((self.centre - bound * np.sqrt(self.time)) / self.spread))

    def below(self, bound: float) -> float:
        """Return the probability of a statistic below a bound, not having stopped before."""
        return float(self.mass @ ndtr((bound * np.sqrt(self.time) - self.centre) / self.spread))

    def bound_for(self, probability: float) -> float:
        """Return the bound that is passed above with a probability; inf where it is too small to matter."""
        low, high = -_FAR, _FAR
        if probability <= 0 or self.above(high) > probability:
            return float("inf")
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.above(middle) > probability else (low, middle)
        return (low + high) / 2

    def stop_beyond(self, bound: float) -> None:
        """Stop what is beyond the bound at this look."""
        self.bound = bound

    def _continue(self, smooth: float) -> None:
        """Put what did not stop on new nodes, close enough for a kernel of the deviation `smooth`."""
        root, middle = np.sqrt(self.time), self.drift * self.time
        high = min(self.bound * root, middle + _FAR * root)
        low = max(-self.bound * root if self.two_sided else -np.inf, middle - _FAR * root)
        if low >= high:
            self.nodes, self.mass = np.zeros(1), np.zeros(1)
            return
        edges = np.linspace(low, high, 3 + int((high - low) / (_PANEL * smooth)))
        half = (edges[1] - edges[0]) / 2
        nodes = (edges[:-1, None] + half * (1 + _PLACE)).ravel()
        steps = (nodes[:, None] - self.centre) / self.spread
        density = np.exp(-(steps**2) / 2) @ self.mass / (self.spread * np.sqrt(2 * np.pi))
        self.nodes, self.mass = nodes, density * np.tile(half * _WEIGHT, len(edges) - 1)
