"""Decisions of one user are not independent, so every sum is first taken by user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.inputs import Floats, one_dimensional
from homing.schema.errors import InputError

#: A table of codes is cheaper than a sort while the range of ids is at most this many times the rows.
_DENSE: Final = 4


@dataclass(frozen=True)
class Clusters:
    """Which user each of `rows` decisions belongs to. Build it once and pass it as `user` to share it."""

    rows: int
    ids: NDArray[Any] | None  # [users] rising; None: every decision is a user of its own
    code: NDArray[np.intp] | None  # [rows] place in `ids`
    counts: Floats  # [users] decisions of each

    def __len__(self) -> int:
        return len(self.counts)

    def sums(self, values: Floats) -> Floats:
        """Return the sum over each user's decisions of `values` [rows]: float64 [users].

        Raises:
            InputError: only totals of these users were kept, as by `stream`, so rows cannot be told apart.
        """
        if self.code is None:
            if self.ids is not None:
                raise InputError("user has no rows any more: only totals were kept; give the ids themselves")
            return values
        return sums_by(self.code, values, len(self))

    def same_as(self, other: Clusters) -> bool:
        """Whether both have the same users in the same order."""
        if self is other:
            return True
        if self.ids is None or other.ids is None:
            return self.ids is other.ids and self.rows == other.rows
        return np.array_equal(self.ids, other.ids)


def cluster(user: ArrayLike | Clusters | None, rows: int) -> Clusters:
    """Group decisions by user.

    Args:
        user: integer or text [rows], in any order; None: all decisions are independent.
        rows: how many decisions there are.

    Raises:
        InputError: the length differs from `rows`, or ids are not integers or text.
    """
    if isinstance(user, Clusters):
        if user.rows != rows:
            raise InputError(f"user has {user.rows:,} rows, must have {rows:,} like the other columns")
        return user
    if user is None:
        return Clusters(rows, None, None, np.ones(rows))
    ids = one_dimensional("user", user, rows)
    if ids.dtype.kind not in "iuUS":
        raise InputError(f"user has dtype {ids.dtype}, must be integers or text")
    unique, code = _encode(ids)
    return Clusters(rows, unique, code, np.bincount(code, minlength=len(unique)).astype(np.float64))


def sums_by(code: NDArray[np.intp], values: Floats, size: int) -> Floats:
    """Return the sum of `values` [n] by `code` [n] in 0 .. size - 1: float64 [size]."""
    return np.asarray(np.bincount(code, weights=values, minlength=size), np.float64)


def _encode(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    rows = len(ids)
    new = np.empty(rows, np.bool_)
    new[0] = True
    np.not_equal(ids[1:], ids[:-1], out=new[1:])
    firsts = ids[new]
    if (firsts[1:] > firsts[:-1]).all():  # sorted, as the ledger is
        return firsts, np.cumsum(new, dtype=np.intp) - 1
    if ids.dtype.kind in "iu":
        low = int(firsts.min())
        extent = int(firsts.max()) - low + 1
        if extent <= _DENSE * rows:
            wide = np.int64 if ids.dtype.kind == "i" else np.uint64  # small types would overflow
            place = np.subtract(ids, low, dtype=wide).astype(np.intp)
            table = np.zeros(extent, np.intp)
            table[place] = 1
            unique = np.add(np.flatnonzero(table).astype(wide), low, dtype=wide).astype(ids.dtype)
            np.cumsum(table, out=table)
            return unique, table[place] - 1
    unique, code = np.unique(ids, return_inverse=True)
    return unique, code.astype(np.intp, copy=False)
