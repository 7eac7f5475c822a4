"""What is wanted and what is allowed: ragged candidates with their use of shared limits, and bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from homing.allocation.kernel import price_rows, total_rows
from homing.schema.errors import InputError
from homing.schema.read_only import read_only


@dataclass(frozen=True)
class Uses:
    """Sparse rows: what each row uses of which limit. A limit named twice in a row counts twice."""

    offsets: NDArray[np.int64]  # [rows + 1]
    limit: NDArray[np.int32]  # [entries] index of the limit
    amount: NDArray[np.float32]  # [entries] in the limit's unit, finite and >= 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def from_dense(cls, costs: NDArray[np.floating[Any]]) -> Self:
        """Return the rows of a dense [rows, limits] array without their zeros."""
        row, limit = np.nonzero(costs)
        offsets = np.searchsorted(row, np.arange(len(costs) + 1)).astype(np.int64)
        return cls(offsets, limit.astype(np.int32), costs[row, limit].astype(np.float32))

    @classmethod
    def none(cls, rows: int) -> Self:
        """Return rows that use nothing."""
        return cls(np.zeros(rows + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Return offsets, limits and amounts for compiled code."""
        return read_only(self.offsets), read_only(self.limit), read_only(self.amount)

    def prices(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return p . c of every row: float64 [rows]."""
        priced = np.empty(len(self))
        price_rows(*self.arrays, prices, priced)
        return priced

    def totals(self, mass: NDArray[np.float64], limits: int) -> NDArray[np.float64]:
        """Return sum over rows of mass times use: float64 [limits]."""
        totals = np.zeros(limits)
        total_rows(*self.arrays, mass, totals)
        return totals

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return some rows, in the order given."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        place = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return type(self)(offsets, self.limit[place], self.amount[place])


@dataclass(frozen=True)
class Demand:
    """Users with their candidates, each worth something and using shared limits.

    A candidate uses the row `arm` of `uses`, that many candidates share (all pushes of one message at one
    hour use the same), and where `own` is given also its own row of that (an opt-out probability, say).
    Arrays may be memory-mapped files: a pass reads them once, in order.
    """

    offsets: NDArray[np.int64]  # [users + 1]; no user is without candidates, hold is always there
    values: NDArray[np.float32]  # [n] utility of each candidate, finite
    arm: NDArray[np.int32]  # [n] row of `uses`
    uses: Uses  # [arms]
    own: Uses | None = None  # [n]

    def __post_init__(self) -> None:
        n = len(self.values)
        _dtype("offsets", self.offsets, np.int64)
        _dtype("values", self.values, np.float32)
        _dtype("arm", self.arm, np.int32)
        if len(self.offsets) < 1 or self.offsets[0] != 0 or self.offsets[-1] != n or len(self.arm) != n:
            raise InputError(
                f"offsets end at {self.offsets[-1:]}, with {n} values and {len(self.arm)} arms; offsets must "
                "start at 0 and end at the number of candidates, each with a value and an arm"
            )
        empty = np.flatnonzero(np.diff(self.offsets) <= 0)
        if len(empty):
            raise InputError(f"user {empty[0]} has no candidates, must have at least hold; add it, worth 0")
        if n and not (self.arm.min() >= 0 and self.arm.max() < len(self.uses)):
            raise InputError(
                f"arms are {self.arm.min()}..{self.arm.max()}, must be rows of the {len(self.uses)} uses"
            )
        if n and not np.isfinite(np.add(self.values.min(), self.values.max())):
            raise InputError("values hold NaN or infinity, must be finite; check the model's output")
        if self.own is not None and len(self.own) != n:
            raise InputError(f"own has {len(self.own)} rows, must have one for each of {n} candidates")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Candidates of each user: [users]."""
        return np.diff(self.offsets)

    def take(self, users: NDArray[np.int64]) -> Demand:
        """Return some users, in the order given."""
        counts = self.counts[users]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        place = np.repeat(self.offsets[users] - offsets[:-1], counts) + np.arange(offsets[-1])
        own = None if self.own is None else self.own.take(place)
        return Demand(offsets, self.values[place], self.arm[place], self.uses, own)

    @property
    def arms(self) -> NDArray[np.int64]:
        """Rows of `uses` that some candidate has, ascending."""
        has = np.zeros(len(self.uses), np.bool_)
        has[self.arm] = True
        return np.flatnonzero(has)

    def compact(self) -> Demand:
        """Return the same with only the arms that some candidate has."""
        arms, place = self.arms, np.zeros(len(self.uses), np.int32)
        place[arms] = np.arange(len(arms))
        return replace(self, arm=place[self.arm], uses=self.uses.take(arms))


@dataclass(frozen=True)
class Bounds:
    """Least and most total use of each limit; -inf and inf where there is none."""

    least: NDArray[np.float64]  # [limits]
    most: NDArray[np.float64]  # [limits]

    def __post_init__(self) -> None:
        if self.least.shape != self.most.shape or self.least.ndim != 1:
            raise InputError(
                f"least has shape {self.least.shape} and most {self.most.shape}, must be as long"
            )
        wrong = np.flatnonzero(~((self.least <= self.most) & (self.least < np.inf) & (self.most > -np.inf)))
        if len(wrong):
            j = wrong[0]
            raise InputError(
                f"limit {j} has least == {self.least[j]} and most == {self.most[j]}, must be "
                "least <= most and not NaN; lower the least or raise the most"
            )

    def __len__(self) -> int:
        return len(self.most)


def check_uses(uses: Uses, limits: int) -> None:
    """Raise InputError for a use of a limit that does not exist, or of an amount that is not >= 0."""
    if not len(uses.limit):
        return
    if uses.limit.min() < 0 or uses.limit.max() >= limits:
        raise InputError(
            f"uses name limits {uses.limit.min()}..{uses.limit.max()}, must be among the {limits} bounds"
        )
    if not (uses.amount.min() >= 0 and uses.amount.max() < np.inf):
        place = int(np.flatnonzero(~((uses.amount >= 0) & (uses.amount < np.inf)))[0])
        raise InputError(
            f"amount {place} of the uses == {uses.amount[place]}, must be finite and >= 0; a limit counts use"
        )


def _dtype(name: str, array: NDArray[Any], dtype: type) -> None:
    if array.dtype != dtype:
        raise InputError(f"{name} has dtype {array.dtype}, must be {np.dtype(dtype)}; cast it")
