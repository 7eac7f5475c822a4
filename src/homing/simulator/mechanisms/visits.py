"""Visits that come without a message: how many, when, how long; and those that a message only moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.schema.times import HOUR
from homing.simulator.mechanisms.log_normal import clipped_mean

Floats = NDArray[np.float64]

_MOST_A_DAY = 16  # visits; more than this are cut
_SHORTEST = 0.5  # minutes of a visit


@dataclass(frozen=True)
class Week:
    """Factor of the weekday on visits, from Monday. Assumed."""

    factor: tuple[float, ...] = (0.97, 0.97, 0.98, 1.0, 1.1, 1.06, 0.92)
    on: bool = True


@dataclass(frozen=True)
class Displacement:
    """A visit that a message caused takes the place of one that would have come within a day. Assumed.

    Chosen so that an open has a large effect within the hour and a small one within the day.
    """

    probability: float = 0.7
    hours: float = 24.0  # that a visit is brought forward, at most
    on: bool = True


@dataclass(frozen=True)
class Length:
    """Minutes of a visit: log-normal. Assumed."""

    median: float = 24.0
    spread: float = 0.8  # sigma of the log
    disappointing: float = 0.35  # factor on visits that were not worth it
    caused: float = 0.8  # factor on visits that a message caused
    longest: float = 360.0


def visit_mean(p: Week, intensity: Floats, habit: Floats, dormant: NDArray[np.bool_]) -> Floats:
    """Return the mean number of own visits [users] on the busiest weekday; other weekdays thin them out.

    Args:
        p: the week.
        intensity: [users] visits a day at full habit.
        habit: [users] in [0, 1].
        dormant: [users] whether the user has left: no visits.
    """
    return np.asarray(weekday_factor(p, np.arange(7)).max() * intensity * habit * ~dormant)


def visit_counts(mean: Floats, uniform: Floats) -> NDArray[np.int64]:
    """Return Poisson counts [users] by inversion: more visits for a larger mean at equal luck."""
    term = np.exp(-mean)
    below = term.copy()
    count = np.zeros(len(mean), np.int64)
    for k in range(1, _MOST_A_DAY + 1):
        more = uniform >= below
        if not more.any():
            break
        count += more
        term = term * mean / k
        below = below + term
    return count


def no_visit(mean: Floats, share: Floats) -> Floats:
    """Return the probability that none of `visit_counts` falls where each falls with probability `share`.

    Args:
        mean: [n] Poisson mean of the day before the cut.
        share: [n] or [n, places], in [0, 1].
    """
    mean = mean.reshape(len(mean), *(1,) * (share.ndim - 1))
    term, seen = np.exp(-mean), np.zeros_like(mean)
    power, none = np.ones_like(share), np.zeros_like(share)
    for k in range(_MOST_A_DAY):
        none += term * power
        seen = seen + term
        power = power * (1.0 - share)
        term = term * mean / (k + 1)
    return np.asarray(none + (1.0 - seen) * power)


def weekday_factor(p: Week, weekday: NDArray[np.int64]) -> Floats:
    """Return the factor on visits [n] for weekdays int [n], 0: Monday."""
    return np.asarray(p.factor, np.float64)[weekday] if p.on else np.ones(len(weekday))


def hour_of_day(cumulative: Floats, archetype: NDArray[np.int16], uniform: Floats) -> Floats:
    """Return local hours [n] in [0, 24) by inversion of each archetype's daily rhythm.

    Args:
        cumulative: [archetypes, 25] share of activity before each hour; rising from 0 to 1.
        archetype: [n] row of `cumulative`.
        uniform: [n] in [0, 1).
    """
    hours = np.empty(len(uniform))
    for row, shares in enumerate(cumulative):
        mine = archetype == row
        hours[mine] = np.interp(uniform[mine], shares, np.arange(25.0))
    return hours


def visit_minutes(p: Length, scale: Floats, normal: Floats, worthwhile: NDArray[np.bool_]) -> Floats:
    """Return minutes [n]: `median * scale * exp(spread * normal)`, shorter when disappointing."""
    minutes = p.median * scale * np.exp(p.spread * normal) * np.where(worthwhile, 1.0, p.disappointing)
    return np.clip(minutes, _SHORTEST, p.longest)


def mean_minutes(p: Length, scale: Floats, worth: Floats) -> Floats:
    """Return the mean of `visit_minutes` [n] when the visit is worth it with probability `worth` [n]."""
    good, bad = (
        clipped_mean(p.median * scale * f, p.spread, _SHORTEST, p.longest) for f in (1.0, p.disappointing)
    )
    return np.asarray(worth * good + (1.0 - worth) * bad)


def displaced(
    p: Displacement,
    *,
    user: NDArray[np.int64],
    at: NDArray[np.int64],
    caused_user: NDArray[np.int64],
    caused_at: NDArray[np.int64],
    uniform: Floats,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which organic visits do not happen, because a caused visit has already been.

    Args:
        p: parameters.
        user: [visits] of each organic visit, sorted by (user, at).
        at: [visits] us.
        caused_user: [k] of each caused visit.
        caused_at: [k] us.
        uniform: [k] luck of each caused visit.

    Returns:
        [visits] the first organic visit within `hours` after each caused one, for the share `probability` of
        them; [k] which of those found none among these visits.
    """
    gone = np.zeros(len(user), np.bool_)
    lucky = (uniform < p.probability) & p.on
    if not len(user) or not lucky.any():
        return gone, lucky
    base = min(int(at.min()), int(caused_at.min()))
    span = max(int(at.max()), int(caused_at.max())) - base + 1
    keys = user * span + (at - base)
    place = np.searchsorted(keys, caused_user * span + (caused_at - base))
    inside = np.minimum(place, len(user) - 1)
    hit = lucky & (place < len(user)) & (user[inside] == caused_user)
    hit &= at[inside] - caused_at < p.hours * HOUR
    gone[inside[hit]] = True
    return gone, lucky & ~hit
