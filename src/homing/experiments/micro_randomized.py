"""Micro-randomized trials: what one send does now, where each moment of each user was randomized anew.

The causal excursion effect compares sending with not sending at a moment, averaged over what the user's
past made the moment like, for moments at which a send was possible (`available`). Users are the independent
units.

WCLS (Boruvka, Almirall, Witkiewitz & Murphy 2018) for differences, EMEE (Qian, Yoo, Klasnja, Almirall &
Murphy 2021) for ratios of a binary or positive outcome. Both solve sum of D_i r_i = 0 with the working
model of what would happen without a send (controls) free to be wrong. EMEE2, on which Cohn, Qian & Murphy
(2023) base sample sizes, centres sends by their own probability, without weights: r = exp(-(a - p) f beta) y
- exp(g alpha), D = (g, (a - p) f). It estimates the same where the effect given the past is as the
moderators say, or p depends on these only; else it weights moments by p (1 - p) exp(p f beta).

Standard errors are sandwiches with the correction of Mancl & DeRouen (2001) for few users; intervals are of t
with users less coefficients (Liao et al. 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from homing.experiments.inputs import codes, numbers
from homing.experiments.moments import Floats
from homing.schema.errors import InputError

Link = Literal["identity", "log", "log_centred"]

_STEPS: Final = 100
_CLOSE: Final = 1e-10


@dataclass(frozen=True)
class Excursion:
    """Effects of a send, float64 [effects] each; the first is at moderators of 0."""

    effects: tuple[str, ...]
    value: Floats  # in units of the outcome; with link `log` the log of the ratio
    std_error: Floats  # corrected for few users
    low: Floats
    high: Floats
    p_value: Floats
    confidence: float
    users: int
    degrees: int
    std_error_plain: Floats  # without the correction
    controls: Floats  # coefficients of the working model, the intercept first


def causal_excursion(
    outcome: ArrayLike,
    sent: ArrayLike,
    probability: ArrayLike,
    user: ArrayLike,
    *,
    link: Link = "identity",
    moderators: Mapping[str, ArrayLike] | None = None,
    controls: Mapping[str, ArrayLike] | None = None,
    available: ArrayLike | None = None,
    numerator: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Excursion:
    """Return the effect of a send and how it changes with moderators.

    Args:
        outcome: float [moments], after each moment and before the next where effects are to be separate.
        sent: bool [moments].
        probability: float [moments] of a send, in (0, 1), as it was drawn with.
        user: [moments] ids.
        link: `identity` for differences (WCLS), `log` for ratios of outcomes >= 0 (EMEE), `log_centred` for
            ratios by EMEE2.
        moderators: columns that the effect may depend on linearly, [moments] each.
        controls: columns that explain the outcome without a send; better ones make narrower intervals.
        available: bool [moments], whether a send was possible; None: always.
        numerator: float [moments] or one number in (0, 1) that may depend on moderators only; None: the mean
            probability of available moments. Not with `log_centred`, where it is `probability`.
        confidence: of the intervals.

    Raises:
        InputError: lengths differ, values not finite or outside their range, too few users, columns that
            repeat each other, or a ratio that does not converge.
    """
    y = numbers("outcome", outcome)
    n = len(y)
    a, p = numbers("sent", sent, n), numbers("probability", probability, n)
    there = np.ones(n) if available is None else numbers("available", available, n)
    if not (np.isin(a, (0, 1)).all() and np.isin(there, (0, 1)).all()):
        raise InputError("sent and available must be True or False")
    if not ((p > 0) & (p < 1))[there == 1].all() or not there.any():
        raise InputError("probability must be in (0, 1) at moments that are available, of which some must be")
    if link not in get_args(Link) or (link != "identity" and (y[there == 1] < 0).any()):
        raise InputError(f"link == {link!r}, must be 'identity', or 'log' or 'log_centred' for outcomes >= 0")
    if link == "log_centred" and numerator is not None:
        raise InputError("numerator is given, and log_centred has none; leave it out, or take link 'log'")
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    p = np.where(there == 1, p, 0.5)
    mean = p[there == 1].mean() if link != "log_centred" else p
    base = np.broadcast_to(mean if numerator is None else np.asarray(numerator, float), n)
    if not ((base > 0) & (base < 1)).all():
        raise InputError("numerator must be in (0, 1)")
    f, g = _design(moderators, n), _design(controls, n)
    weight = there * np.where(a == 1, base / p, (1 - base) / (1 - p))
    instruments = weight[:, None] * np.hstack([g, (a - base)[:, None] * f])
    rows = _by_user(user, n)
    if len(rows) <= instruments.shape[1]:
        raise InputError(f"{len(rows)} users are too few for {instruments.shape[1]} coefficients")
    if np.linalg.matrix_rank(instruments) < instruments.shape[1]:
        raise InputError("controls or moderators repeat each other, or sent never varies; leave one out")
    model = (
        _Linear(y, a - base, f, g)
        if link == "identity"
        else _Ratio(y, a if link == "log" else a - base, f, g)
    )
    theta = _solve(instruments, model)
    plain, corrected = _sandwich(instruments, model, theta, rows)
    return _excursion(tuple(moderators or ()), theta, g.shape[1], plain, corrected, len(rows), confidence)


class _Linear:
    """r = y - g alpha - (a - numerator) f beta."""

    def __init__(self, y: Floats, centred: Floats, f: Floats, g: Floats) -> None:
        self.y, self.slope = y, -np.hstack([g, centred[:, None] * f])

    def residual(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return r [moments] and its slopes [moments, coefficients]."""
        return self.y + self.slope @ theta, self.slope

    def on_outcome(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return a factor, and the residual of the outcome and its slopes, whose product with it is r."""
        return np.ones(len(self.y)), *self.residual(theta)


class _Ratio:
    """r = exp(-a f beta) y - exp(g alpha); a may be centred."""

    def __init__(self, y: Floats, a: Floats, f: Floats, g: Floats) -> None:
        self.y, self.af, self.g = y, a[:, None] * f, g

    def residual(self, theta: Floats) -> tuple[Floats, Floats]:
        size = self.g.shape[1]
        without = np.exp(self.g @ theta[:size])
        blipped = self.y * np.exp(-self.af @ theta[size:])
        return blipped - without, -np.hstack([without[:, None] * self.g, blipped[:, None] * self.af])

    def on_outcome(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        size = self.g.shape[1]
        factor = np.exp(-self.af @ theta[size:])
        expected = np.exp(self.g @ theta[:size]) / factor
        return factor, self.y - expected, -expected[:, None] * np.hstack([self.g, self.af])


def _solve(instruments: Floats, model: _Linear | _Ratio) -> Floats:
    """Return the root of sum D r by Newton's method with halved steps."""
    theta = np.zeros(instruments.shape[1])
    value = instruments.T @ model.residual(theta)[0]
    for _ in range(_STEPS):
        slope = instruments.T @ model.residual(theta)[1]
        if np.linalg.cond(slope) > 1 / np.finfo(float).eps:
            break
        step, scale = np.linalg.solve(slope, value), 1.0
        while scale > _CLOSE:
            with np.errstate(over="ignore", invalid="ignore"):
                tried = instruments.T @ model.residual(theta - scale * step)[0]
            if np.abs(tried).max() < np.abs(value).max() or np.abs(scale * step).max() < _CLOSE:
                break
            scale /= 2
        theta, value = theta - scale * step, tried
        if np.abs(scale * step).max() < _CLOSE * (1 + np.abs(theta).max()):
            return theta
    raise InputError("the ratio does not converge: an effect may be infinite, as where no outcome is above 0")


def _sandwich(
    instruments: Floats, model: _Linear | _Ratio, theta: Floats, rows: list[NDArray[np.intp]]
) -> tuple[Floats, Floats]:
    """Return the covariance of coefficients, plain and corrected for few users.

    Leverages are those of the outcome's residuals, as in the package of the method's authors.
    """
    bread = np.linalg.inv(instruments.T @ model.residual(theta)[1])
    factor, residual, slope = model.on_outcome(theta)
    instruments = instruments * factor[:, None]
    plain, corrected = np.zeros(bread.shape), np.zeros(bread.shape)
    for here in rows:
        d, r = instruments[here], residual[here]
        score = d.T @ r
        plain += np.outer(score, score)
        hat = slope[here] @ bread @ d.T
        score = d.T @ np.linalg.solve(np.eye(len(here)) - hat, r)
        corrected += np.outer(score, score)
    return bread @ plain @ bread.T, bread @ corrected @ bread.T


def _excursion(
    names: tuple[str, ...],
    theta: Floats,
    size: int,
    plain: Floats,
    corrected: Floats,
    users: int,
    confidence: float,
) -> Excursion:
    value, degrees = theta[size:], users - len(theta)
    error = np.sqrt(np.diagonal(corrected)[size:])
    reach = stdtrit(degrees, 0.5 + confidence / 2) * error
    return Excursion(
        effects=("send", *(f"send x {name}" for name in names)),
        value=value,
        std_error=error,
        low=value - reach,
        high=value + reach,
        p_value=2 * stdtr(degrees, -np.abs(value / error)),
        confidence=confidence,
        users=users,
        degrees=degrees,
        std_error_plain=np.sqrt(np.diagonal(plain)[size:]),
        controls=theta[:size],
    )


def _design(columns: Mapping[str, ArrayLike] | None, rows: int) -> Floats:
    named = columns or {}
    return np.column_stack([np.ones(rows), *(numbers(name, x, rows) for name, x in named.items())])


def _by_user(user: ArrayLike, rows: int) -> list[NDArray[np.intp]]:
    code = codes("user", user, rows)[1]
    return np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
