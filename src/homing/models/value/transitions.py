"""A log of decisions as transitions: state, candidates, choice, rewards, and the row that came next.

A row is one decision. The row after it is named, not copied: states and candidate sets are stored once.
Columns are plain arrays and may be memory-mapped files; see `homing.models.value.mapped`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.schema.errors import InputError

#: `following` of a row after which nothing comes: opted out of all, churned. Its value is zero.
ABSORBED: Final = -1
#: `following` of a row whose successor was not seen. It is not learned from; rows before it lead to it.
CUT: Final = -2

_TOLERANCE: Final = 1e-4  # propensities may have been written as float32


@dataclass(frozen=True)
class Transitions:
    """Columns of decisions; build it with `make_transitions`, which checks them.

    Candidates have an action block each, held in a table: message features that many candidates share are
    stored once. Rows of a user should be neighbours, in order of time, for streaming to read few pages.
    """

    user: NDArray[np.int64]  # [rows] id or hash; whole users are resampled and split
    state: NDArray[np.float32]  # [rows, S] finite
    offsets: NDArray[np.int64]  # [rows + 1] row i has candidates offsets[i]:offsets[i + 1], at least one
    action: NDArray[np.int32]  # [candidates] row in the table of action blocks
    actions: NDArray[np.float32]  # [m, A] finite; of hold, anything
    hold: NDArray[np.bool_]  # [m] whether the block is hold's
    choice: NDArray[np.int32]  # [rows] the chosen candidate's place in its row, from 0
    reward: NDArray[np.float32]  # [rows, K] of each objective until the next epoch, in its own unit
    elapsed: NDArray[np.float32]  # [rows] time until the next epoch, in the unit of the horizons, e.g. days
    following: NDArray[np.int64]  # [rows] row of the user's next decision, or ABSORBED, or CUT
    propensity: NDArray[np.float32] | None = None  # [candidates] of the logging policy, sums to 1 in each row
    charge: NDArray[np.float32] | None = None  # [candidates] prices by costs, in units of utility
    probability: NDArray[np.float32] | None = None  # [candidates] of another policy, for `Given`

    def __len__(self) -> int:
        return len(self.choice)

    @property
    def objectives(self) -> int:
        """K."""
        return int(self.reward.shape[1])

    @property
    def widest(self) -> int:
        """Candidates of the largest set."""
        return int(np.diff(self.offsets).max())

    @property
    def learnable(self) -> NDArray[np.int64]:
        """[k] rows whose successor is known, or known to be none."""
        return np.flatnonzero(self.following != CUT)

    def part(self, rows: NDArray[np.int64]) -> tuple[Transitions, NDArray[np.int64]]:
        """Return the rows (int64 [k], distinct) with those that follow them, and where the former are.

        Rows that come along only as successors are CUT in the part.
        """
        after = self.following[rows]
        kept = np.union1d(rows, after[after >= 0])
        place = np.searchsorted(kept, rows)
        following = np.full(len(kept), CUT)
        following[place] = np.where(after >= 0, np.searchsorted(kept, after), after)
        counts = self.offsets[kept + 1] - self.offsets[kept]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        candidates = np.repeat(self.offsets[kept] - offsets[:-1], counts) + np.arange(offsets[-1])
        action, actions, hold = used_blocks(self.action[candidates], self.actions, self.hold)

        def of_candidates(column: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
            return None if column is None else np.asarray(column[candidates])

        return Transitions(
            user=self.user[kept],
            state=self.state[kept],
            offsets=offsets,
            action=action,
            actions=actions,
            hold=hold,
            choice=self.choice[kept],
            reward=self.reward[kept],
            elapsed=self.elapsed[kept],
            following=following,
            propensity=of_candidates(self.propensity),
            charge=of_candidates(self.charge),
            probability=of_candidates(self.probability),
        ), place


def make_transitions(
    user: ArrayLike,
    state: ArrayLike,
    offsets: ArrayLike,
    action: ArrayLike,
    actions: ArrayLike,
    hold: ArrayLike,
    choice: ArrayLike,
    reward: ArrayLike,
    elapsed: ArrayLike,
    following: ArrayLike,
    *,
    propensity: ArrayLike | None = None,
    charge: ArrayLike | None = None,
    probability: ArrayLike | None = None,
) -> Transitions:
    """Check the columns of a log and return them; `Transitions` says what each is.

    Raises:
        InputError: lengths disagree, a number is not finite, an index is out of range, a row has no
            candidate, a row leads to itself, a choice has propensity 0 or propensities do not sum to 1.
    """

    def column(name: str, values: ArrayLike, kind: type, *shape: int | None) -> NDArray[Any]:
        array = np.asarray(values)
        fits = array.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise InputError(
                f"{name} has shape {list(array.shape)}, must be [{wanted}]; check how it was built"
            )
        array = array.astype(kind, copy=False)
        if issubclass(kind, np.floating) and not np.isfinite(array).all():
            first = int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(1))[0])
            raise InputError(
                f"{name} of row {first} is not finite, must be; fill missing inputs, and leave out or CUT "
                "decisions whose outcome is not known"
            )
        return array

    rows = len(np.asarray(choice))
    bounds = column("offsets", offsets, np.int64, rows + 1)
    if rows == 0 or bounds[0] != 0 or np.diff(bounds).min() < 1:
        raise InputError(
            "offsets must start at 0 and give each of at least one row a candidate; hold is always one"
        )
    n = int(bounds[-1])
    blocks = column("actions", actions, np.float32, None, None)
    taken = column("action", action, np.int32, n)
    _within("action", taken, 0, len(blocks))
    picked = column("choice", choice, np.int32, rows)
    _within("choice", picked, 0, np.diff(bounds))
    after = column("following", following, np.int64, rows)
    _within("following", after, CUT, rows)
    itself = np.flatnonzero(after == np.arange(rows))
    if len(itself):
        raise InputError(f"following of row {itself[0]} is itself, must be a later row, ABSORBED or CUT")
    if not (after != CUT).any():
        raise InputError("following is CUT in every row, must lead somewhere in one; bring a longer log")
    time = column("elapsed", elapsed, np.float32, rows)
    if time.min() < 0:
        raise InputError(
            f"elapsed has a minimum of {time.min():g}, must be >= 0; sort each user's rows by time"
        )
    chance = None if propensity is None else column("propensity", propensity, np.float32, n)
    other = None if probability is None else column("probability", probability, np.float32, n)
    for name, share in (("propensity", chance), ("probability", other)):
        if share is not None:
            _distribution(name, share, bounds)
    if chance is not None and chance[bounds[:-1] + picked].min() <= 0:
        row = int(np.flatnonzero(chance[bounds[:-1] + picked] <= 0)[0])
        raise InputError(
            f"propensity of the choice in row {row} == 0, must be > 0; it was logged, so it was possible"
        )
    return Transitions(
        user=column("user", user, np.int64, rows),
        state=column("state", state, np.float32, rows, None),
        offsets=bounds,
        action=taken,
        actions=blocks,
        hold=column("hold", hold, np.bool_, len(blocks)),
        choice=picked,
        reward=column("reward", reward, np.float32, rows, None),
        elapsed=time,
        following=after,
        propensity=chance,
        charge=None if charge is None else column("charge", charge, np.float32, n),
        probability=other,
    )


def used_blocks(
    action: NDArray[np.int32], actions: NDArray[np.float32], hold: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the columns of some candidates with the blocks that they use, if blocks are many; else as given.

    A table of more blocks than candidates is one of blocks of their own, and may be larger than memory.
    """
    if len(actions) <= len(action):
        return action, actions, hold
    used, place = np.unique(action, return_inverse=True)
    return place.astype(np.int32), actions[used], hold[used]


def discounts(
    elapsed: NDArray[np.float32], following: NDArray[np.int64], horizons: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return exp(-elapsed / horizon), what a unit after the next epoch counts, 0 after an end: [rows, K].

    A horizon h weighs what comes t later by exp(-t / h), h in all; one of 0 counts nothing after the epoch.
    """
    rate = np.divide(1.0, horizons, out=np.full(len(horizons), np.inf), where=horizons > 0)
    with np.errstate(invalid="ignore"):  # 0 * inf: without time or horizon, nothing is counted
        kept = np.nan_to_num(np.exp(-elapsed[:, None].astype(np.float64) * rate), nan=0.0)
    kept[following < 0] = 0
    return np.where(horizons > 0, kept, 0.0)


def horizon_of(discount: float) -> float:
    """Return the horizon whose discount over one unit of time is `discount`, in (0, 1)."""
    if not 0 < discount < 1:
        raise InputError(f"discount == {discount}, must be in (0, 1); for none, set the horizon to 0")
    return -1 / math.log(discount)


def _within(name: str, values: NDArray[Any], low: int, high: int | NDArray[Any]) -> None:
    bad = np.flatnonzero((values < low) | (values >= high))
    if len(bad):
        top = high if isinstance(high, int) else int(high[bad[0]])
        raise InputError(f"{name}[{bad[0]}] == {values[bad[0]]}, must be in {low} .. {top - 1}")


def _distribution(name: str, share: NDArray[np.float32], offsets: NDArray[np.int64]) -> None:
    total = np.add.reduceat(share.astype(np.float64), offsets[:-1])
    bad = np.flatnonzero(np.abs(total - 1) > _TOLERANCE)
    if len(bad) or share.min() < 0:
        row = int(bad[0]) if len(bad) else int(np.searchsorted(offsets, np.argmin(share), "right")) - 1
        raise InputError(
            f"{name} of row {row} sums to {total[row]:g} with a minimum of {share.min():g}, must be >= 0 and "
            "sum to 1 over the row's candidates, hold among them"
        )
