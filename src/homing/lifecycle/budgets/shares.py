"""An account's share of every budget: in proportion to its users, whatever other accounts did or will do.

Of a whole period an account has its part of what the holdout leaves, and of that what its own users used
before is taken off. Sends are whole: parts of them are rounded up or down by chance such that they sum to the
whole and are right on average, for rounding to the nearest would starve the same arm every day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Bounds
from homing.decision import SharedLimits
from homing.lifecycle.budgets.pricing import what_is_left

_CLOSE = 1e-9  # to a whole number
_SLACK = 1e-5  # relative: drawn totals keep a maximum but for sums of float32 amounts


def shares_of(
    limits: SharedLimits,
    accounts: Sequence[str],
    users: NDArray[np.int64],
    before: NDArray[np.float64],
    held: NDArray[np.float64],
    at: int,
    horizon: int,
    salt: str,
) -> list[Bounds]:
    """Return what each account may use in one epoch.

    Args:
        limits: of the epoch.
        accounts: but the holdout, by name.
        users: int64 [accounts].
        before: float64 [accounts, limits] used by each account's users in earlier epochs.
        held: float64 [limits] used by the holdout in earlier epochs and this one.
        at: the epoch, us.
        horizon: us that it plans.
        salt: of the workspace, from which rounding derives.
    """
    least, most = limits.bounds.least, limits.bounds.most
    rest = Bounds(
        np.where(np.isfinite(least), np.maximum(least - held, 0), -np.inf),
        np.where(np.isfinite(most), np.maximum(most - held, 0), np.inf),
    )
    if len(accounts) == 1:
        return [what_is_left(limits, rest, before[0], at, horizon)]
    part = users / max(int(users.sum()), 1)
    whole = np.array([limits.budgets[place].counts == "sends" for place in limits.budget.tolist()], np.bool_)
    periods = [
        f"{salt}\0{limits.budgets[place].name}\0{start}"
        for place, start in zip(limits.budget.tolist(), limits.start.tolist(), strict=True)
    ]
    parts = _parts(rest, part, whole, [np.array([_chance(s, p) for p in periods]) for s in ("min", "max")])
    left = [what_is_left(limits, each, used, at, horizon) for each, used in zip(parts, before, strict=True)]
    together = np.sum([each.most for each in left], axis=0)
    there = what_is_left(limits, rest, before.sum(axis=0), at, horizon).most
    # some account had used more than its part before it was one; what is expected of objectives strays from
    # day to day, and would let one arm's luck take from the others
    over = limits.counted & (together > there * (1 + _SLACK))
    factor = np.where(over, there / np.where(over, together, 1.0), 1.0)
    result = []
    for name, each in zip(accounts, left, strict=True):
        chance = np.array([_chance(name, str(at), period) for period in periods])
        fair = each.most * factor
        most = np.where(whole, np.floor(fair + np.where(over, _CLOSE, chance)), fair)
        result.append(Bounds(np.minimum(each.least, most), most))
    return result


def whole_parts(total: float, part: NDArray[np.float64], chance: float) -> NDArray[np.float64]:
    """Return whole numbers that sum to a whole total, each its part of it rounded up or down.

    Over chances uniform in [0, 1) each is right on average (systematic sampling, Madow 1949).

    Args:
        total: whole, >= 0.
        part: float64 [accounts] summing to 1.
        chance: in [0, 1).

    Returns:
        float64 [accounts].
    """
    edges = np.cumsum(part[:-1]) * total
    return np.diff(np.floor(edges + chance), prepend=0.0, append=total)


def _parts(
    rest: Bounds, part: NDArray[np.float64], whole: NDArray[np.bool_], chances: Sequence[NDArray[np.float64]]
) -> list[Bounds]:
    """Return each account's part of whole periods; least and most of sends are whole, and least <= most."""
    least, most = (np.where(np.isfinite(side), side, 0.0) * part[:, None] for side in (rest.least, rest.most))
    for j in np.flatnonzero(whole).tolist():
        lowest = np.ceil(max(rest.least[j], 0.0) - _CLOSE)
        least[:, j] = whole_parts(lowest, part, chances[0][j])
        if np.isfinite(rest.most[j]):
            beyond = max(np.floor(rest.most[j] + _CLOSE) - lowest, 0.0)
            most[:, j] = least[:, j] + whole_parts(beyond, part, chances[1][j])
    return [
        Bounds(np.where(np.isfinite(rest.least), a, -np.inf), np.where(np.isfinite(rest.most), b, np.inf))
        for a, b in zip(least, most, strict=True)
    ]


def _chance(*words: str) -> float:
    """Return a number in [0, 1) that derives from words."""
    digest = hashlib.blake2b("\0".join(words).encode(), digest_size=8, person=b"homing.shares").digest()
    return int.from_bytes(digest, "big") / 2.0**64
