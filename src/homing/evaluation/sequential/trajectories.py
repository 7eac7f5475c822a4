"""A log as trajectories: many decisions of one user, one after another, until an end.

Trajectory i has the transitions offsets[i]:offsets[i + 1], in order of time. It ends in one of three ways,
and what comes after the end differs:

- absorbed (opted out, churned): nothing comes after, and its value is zero;
- it has as many steps as the horizon: what comes after is not asked for;
- cut by the end of the log: something comes after that nobody saw. Importance sampling refuses such
  trajectories, and the estimators with predictions put a prediction in place of what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters, cluster, sums_by
from homing.evaluation.estimators.one_decision import importance_weights
from homing.evaluation.estimators.weighted import User
from homing.evaluation.inputs import Floats, finite, one_dimensional
from homing.schema.errors import InputError

#: Squares and sums of weights up to this are finite.
_LARGEST: Final = 1e150


@dataclass(frozen=True)
class Trajectories:
    """A checked log of trajectories, and the return that is asked for: `sum_{t < horizon} discount^t r_t`.

    n trajectories, m transitions, T steps in the longest one. Build it with `trajectories`.
    """

    offsets: NDArray[np.int64]  # [n + 1]
    trajectory: NDArray[np.intp]  # [m]
    step: NDArray[np.int64]  # [m] from 0
    reward: Floats  # [m] in units of the outcome
    ratio: Floats  # [m] target probability by propensity of the logged action
    cut: NDArray[np.bool_]  # [n] neither absorbed nor as long as the horizon
    discount: float
    horizon: int | None  # steps; None: until absorbed
    groups: Clusters  # of trajectories by user

    def __len__(self) -> int:
        return len(self.cut)

    @property
    def length(self) -> NDArray[np.int64]:
        """[n] steps of each."""
        return np.diff(self.offsets)

    @cached_property
    def steps(self) -> int:
        """T, of the longest trajectory."""
        return int(self.length.max())

    @property
    def last(self) -> NDArray[np.int64]:
        """[n] place of each one's last transition."""
        return self.offsets[1:] - 1

    @property
    def discounts(self) -> Floats:
        """[m] discount^t."""
        return np.power(self.discount, np.arange(self.steps, dtype=np.float64))[self.step]

    @cached_property
    def weight(self) -> Floats:
        """[m] cumulative ratio w_{0:t} = prod_{k <= t} ratio_k; InputError where it overflows."""
        found = self.ratio.copy()
        reach = 1
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            while reach < self.steps:  # prefix products by doubling: Hillis & Steele (1986)
                found[reach:] *= np.where(self.step[reach:] >= reach, found[:-reach], 1.0)
                reach *= 2
        if not found.max() < _LARGEST:
            raise InputError(
                f"the cumulative weight overflows over {self.steps:,} steps; use a shorter horizon or "
                "marginalised weights (`marginal_is`, `minimax_is`)"
            )
        return found

    @property
    def owner(self) -> NDArray[np.intp]:
        """[n] place of each one's user in `groups`."""
        return np.arange(len(self)) if self.groups.code is None else self.groups.code

    def following(self, values: Floats, end: Floats) -> Floats:
        """Return the value at each transition's next state: float64 [m].

        Args:
            values: float64 [m] at the state of each transition.
            end: float64 [n] at the state after each last transition.
        """
        found = np.empty_like(values)
        found[:-1] = values[1:]
        found[self.last] = end
        return found

    def totals(self, values: Floats) -> Floats:
        """Return the sum of `values` [m] over each user's transitions: float64 [users]."""
        return self.groups.sums(np.add.reduceat(values, self.offsets[:-1]))

    def totals_by_step(self, values: Floats) -> Floats:
        """Return the sum of `values` [m] by step and user: float64 [T, users]."""
        users = len(self.groups)
        cell = self.step * users + self.owner[self.trajectory]
        return sums_by(cell, values, self.steps * users).reshape(self.steps, users)

    def refuse_cut(self, estimator: str) -> None:
        """Raise InputError where a trajectory is cut."""
        count = int(np.count_nonzero(self.cut))
        if count:
            raise InputError(
                f"{estimator}: {count:,} of {len(self):,} trajectories are cut by the end of the log, being "
                "neither absorbed nor as long as the horizon, and what they missed is not zero; shorten the "
                "horizon (`first_steps`), or use doubly robust estimates with the value of their ends"
            )


def trajectories(
    reward: ArrayLike,
    target_probability_of_choice: ArrayLike,
    propensity: ArrayLike,
    offsets: ArrayLike,
    user: User = None,
    *,
    absorbed: ArrayLike | None = None,
    discount: float = 1.0,
    horizon: int | None = None,
) -> Trajectories:
    """Check a log of trajectories and return it with its weights.

    Args:
        reward: float [m], in units of the outcome.
        target_probability_of_choice: float [m] in [0, 1], the target's probability of the logged action.
        propensity: float [m] in (0, 1], the logged one.
        offsets: int64 [n + 1]; each trajectory has at least one transition.
        user: [n] cluster ids of the trajectories, `Clusters`, or None. A user may have several.
        absorbed: bool [n], whether nothing can follow the last transition; None: none is absorbed.
        discount: per step, in (0, 1].
        horizon: steps that count; None: all until absorbed. Longer trajectories are shortened with
            `first_steps` beforehand.

    Raises:
        InputError: empty, lengths differ, values out of range, or a trajectory longer than the horizon.
    """
    outcome = finite("reward", reward)
    ratio = importance_weights(target_probability_of_choice, propensity)
    if len(ratio) != len(outcome):
        raise InputError(f"propensity has {len(ratio):,} rows, must have {len(outcome):,} like reward")
    bounds = _bounds(offsets, len(outcome))
    length = np.diff(bounds)
    if not 0 < discount <= 1:
        raise InputError(f"discount == {discount}, must be in (0, 1]")
    if horizon is not None and horizon < length.max():
        raise InputError(
            f"horizon == {horizon}, must be >= {length.max()}, the longest trajectory; shorten with "
            "`first_steps(offsets, horizon)`"
        )
    ended = _flags("absorbed", absorbed, len(length))
    return Trajectories(
        offsets=bounds,
        trajectory=np.repeat(np.arange(len(length)), length),
        step=np.arange(len(outcome)) - np.repeat(bounds[:-1], length),
        reward=outcome,
        ratio=ratio,
        cut=~ended if horizon is None else ~ended & (length < horizon),
        discount=discount,
        horizon=horizon,
        groups=cluster(user, len(length)),
    )


def first_steps(offsets: ArrayLike, horizon: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the rows of the first `horizon` transitions of each trajectory, and their offsets.

    Args:
        offsets: int64 [n + 1].
        horizon: steps, >= 1.

    Raises:
        InputError: `horizon` under 1, or offsets that do not rise.
    """
    if horizon < 1:
        raise InputError(f"horizon == {horizon}, must be >= 1")
    bounds = _bounds(offsets)
    length = np.diff(bounds)
    step = np.arange(bounds[-1]) - np.repeat(bounds[:-1], length)
    return np.flatnonzero(step < horizon), np.concatenate([[0], np.cumsum(np.minimum(length, horizon))])


def _bounds(offsets: ArrayLike, transitions: int | None = None) -> NDArray[np.int64]:
    """Return `offsets` as int64 [n + 1].

    Raises:
        InputError: not integers, does not start at 0 and rise, or does not end at `transitions`.
    """
    array = one_dimensional("offsets", offsets)
    if array.dtype.kind not in "iu":
        raise InputError(f"offsets has dtype {array.dtype}, must be integers")
    array = array.astype(np.int64, copy=False)
    if len(array) < 2 or array[0] != 0 or (array[1:] <= array[:-1]).any():
        raise InputError("offsets must start at 0 and rise; every trajectory has at least one transition")
    if transitions is not None and array[-1] != transitions:
        raise InputError(f"offsets ends at {array[-1]:,}, must end at the {transitions:,} transitions")
    return array


def _flags(name: str, values: ArrayLike | None, rows: int) -> NDArray[np.bool_]:
    if values is None:
        return np.zeros(rows, np.bool_)
    array = one_dimensional(name, values, rows)
    if array.dtype != np.bool_:
        raise InputError(f"{name} has dtype {array.dtype}, must be bool")
    return array
