"""Dependent draws over users in parts: what uses the same is rounded as one, part by part.

Each user draws a kind from its own distribution, such that the number of users with each kind is what is
expected, rounded up or down; then a candidate of that kind, for itself alone. So any limit strays by no more
than the rounding of the kinds that use it. Parts are rounded on their own as far as that keeps every kind's
sum as it is; fewer users than there are kinds are left of each, and are rounded together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.allocation.demand import Uses
from homing.allocation.group_kernel import group_pass, pick_pass
from homing.allocation.rounding_kernel import dependent_pass

#: A limit of fewer than so many sends for each arm that uses it is one kind: rounding arms would show.
_FEW = 50


@dataclass(frozen=True)
class Kinds:
    """Arms that are rounded as one."""

    of_arm: NDArray[np.int32]  # [arms]
    merged: NDArray[np.int64]  # [kinds] the scarce limit that all its arms use, -1 of a single arm

    def __len__(self) -> int:
        return len(self.merged)

    @classmethod
    def of(cls, uses: Uses, most: NDArray[np.float64]) -> Kinds:
        """Return a kind for each arm, but one for all arms of a scarce limit.

        Args:
            uses: [arms].
            most: float64 [limits] about how much will be used of each, inf where that is not known.
        """
        arms, sends = np.bincount(uses.limit, minlength=len(most)), _sends(uses, most)
        row = np.repeat(np.arange(len(uses)), np.diff(uses.offsets))
        scarce = (sends < _FEW * arms)[uses.limit]
        row, limit = row[scarce], uses.limit[scarce].astype(np.int64)
        order = np.lexsort((sends[limit], row))
        rows, first = np.unique(row[order], return_index=True)
        key = np.arange(len(uses)) + len(most)
        key[rows] = limit[order][first]
        distinct, place = np.unique(key, return_inverse=True)
        return cls(
            place.reshape(-1).astype(np.int32), np.where(distinct < len(most), distinct, -1).astype(np.int64)
        )

    def deviations(self, uses: Uses, most: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return about how far totals stray, a standard deviation in each limit's unit: float64 [limits].

        A kind that is one arm is rounded up or down: a quarter of a squared unit. In a kind of several arms
        that share a scarce limit, each user draws which arm, for as many as the limit has. A limit whose arms
        are one kind, by equal amounts, strays by less than a unit and counts as 0.
        """
        row = np.repeat(np.arange(len(uses)), np.diff(uses.offsets))
        kind = self.of_arm[row]
        own = self.merged[kind] == uses.limit
        room = np.where(self.merged >= 0, _sends(uses, most)[self.merged], 1.0)[kind]
        cell = uses.limit.astype(np.int64) * len(self) + kind
        cells, first = np.unique(cell, return_index=True)
        largest = np.zeros(len(cells))
        np.maximum.at(largest, np.searchsorted(cells, cell), uses.amount)
        limit = cells // len(self)
        alone = np.bincount(limit, minlength=len(most)) == 1
        variance = np.where(own[first] | alone[limit], 0.0, largest**2 / 4 * room[first])
        return np.sqrt(np.bincount(limit, variance, len(most)))


def _sends(uses: Uses, most: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many sends about use up each limit, by the least that one uses: float64 [limits]."""
    least = np.full(len(most), np.inf)
    np.minimum.at(least, uses.limit, uses.amount)
    return most / np.where(np.isfinite(least) & (least > 0), least, 1.0)


@dataclass(frozen=True)
class Part:
    """Some users, drawn as far as can be without the others."""

    chosen: NDArray[np.int64]  # [users] places of the candidates, -1: left
    left: NDArray[np.int64]  # [left] users
    offsets: NDArray[np.int64]  # [left + 1]
    kind: NDArray[np.int32]  # [groups of the left]
    share: NDArray[np.float64]  # [groups of the left]


def draw_part(
    offsets: NDArray[np.int64],
    probability: NDArray[np.float64],
    kind: NDArray[np.int32],
    kinds: int,
    uniform: NDArray[np.float64],
    rng: np.random.Generator,
) -> Part:
    """Draw for some of the users.

    Args:
        offsets: int64 [users + 1].
        probability: float64 [n], summing to 1 for each user.
        kind: int32 [n] of each candidate.
        kinds: how many there are.
        uniform: float64 [users] in [0, 1), for the draw within a kind.
        rng: from a seed that derives from the users.
    """
    users, n = len(offsets) - 1, len(probability)
    group_offsets, group = np.zeros(users + 1, np.int64), np.empty(n, np.int64)
    group_kind, share = np.empty(n, np.int32), np.empty(n)
    group_pass(offsets, probability, kind, group_offsets, group_kind, share, group)
    groups = int(group_offsets[-1])
    group_kind, share = group_kind[:groups], share[:groups].copy()
    dependent_pass(group_offsets, share, group_kind, kinds, rng.random(groups), False)
    owner = np.repeat(np.arange(users), np.diff(group_offsets))
    settled = np.full(users, -1, np.int64)
    whole = np.flatnonzero(share >= 1.0)
    settled[owner[whole]] = whole
    chosen = np.full(users, -1, np.int64)
    pick_pass(offsets, probability, group, settled, uniform, chosen)
    left = np.flatnonzero(settled < 0)
    counts = np.diff(group_offsets)[left]
    left_offsets = np.concatenate([[0], np.cumsum(counts)])
    place = np.repeat(group_offsets[left] - left_offsets[:-1], counts) + np.arange(left_offsets[-1])
    return Part(chosen, left, left_offsets, group_kind[place], share[place])


def round_left(parts: Sequence[Part], kinds: int, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Return the kind of each user that is left, for each part: int32 [left]."""
    counts = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets) for part in parts)])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    kind = np.concatenate([np.zeros(0, np.int32), *(part.kind for part in parts)])
    share = np.concatenate([np.zeros(0), *(part.share for part in parts)])
    dependent_pass(offsets, share, kind, kinds, rng.random(len(share)), True)
    drawn = kind[share > 0.5]
    ends = np.cumsum([len(part.left) for part in parts])
    return np.split(drawn, ends[:-1]) if len(parts) else []


def pick_left(
    drawn: NDArray[np.int32],
    offsets: NDArray[np.int64],
    probability: NDArray[np.float64],
    kind: NDArray[np.int32],
    uniform: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return a candidate for each user that was left of a part: int64 [left] places.

    Args:
        drawn: int32 [left] kind of each.
        offsets: int64 [left + 1].
        probability: float64 [n] of the left users' candidates.
        kind: int32 [n].
        uniform: float64 [left] in [0, 1).
    """
    chosen = np.full(len(drawn), -1, np.int64)
    pick_pass(offsets, probability, kind.astype(np.int64), drawn.astype(np.int64), uniform, chosen)
    return chosen
