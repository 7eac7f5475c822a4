"""Moments of an experiment: counts, means and scatters of several columns, by arm. They add with `+`.

Every analysis of this package starts from them: a table is scanned once, a warehouse can send its sums, days
and shards are added, and nothing goes back to the users. Means and scatters are kept rather than raw sums of
squares, because a difference of two large sums loses the digits that a variance is made of (Chan, Golub &
LeVeque 1983, equation 1.5, is the rule of addition).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.schema.errors import InputError, nearest

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """A column that the moments are split by, as a segment or a day."""

    name: str
    labels: tuple[Any, ...]


@dataclass(frozen=True)
class Moments:
    """Moments of `columns` in `arms`, in every cell of `axes`; one unit of assignment is one count."""

    arms: tuple[str, ...]
    columns: tuple[str, ...]
    count: Floats  # [*axes, arms] units
    mean: Floats  # [*axes, arms, columns]; 0 where there is no unit
    #: [*axes, arms, columns, columns] sums of products of deviations from the arm's mean; NaN: not scanned
    scatter: Floats
    axes: tuple[Axis, ...] = ()
    #: [*axes, arms, arms, columns, columns] covariance of the arms' means from what they share, such as the
    #: mean that an adjustment is centred on; None: nothing
    shared: Floats | None = None

    def __post_init__(self) -> None:
        cells = tuple(len(axis.labels) for axis in self.axes)
        arms, columns = len(self.arms), len(self.columns)
        for name, array, shape in (
            ("count", self.count, (*cells, arms)),
            ("mean", self.mean, (*cells, arms, columns)),
            ("scatter", self.scatter, (*cells, arms, columns, columns)),
        ):
            if array.shape != shape:
                raise InputError(f"{name} has shape {array.shape}, must have {shape}: cells, arms, columns")
        if len(set(self.columns)) < columns or len(set(self.arms)) < arms:
            raise InputError(f"arms {self.arms} and columns {self.columns} must each be named once")

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of units together; an arm may be in one of them only."""
        if self.columns != other.columns or self.axes != other.axes:
            raise InputError(
                f"moments of {self.columns} by {[a.name for a in self.axes]} and of {other.columns} by "
                f"{[a.name for a in other.axes]} cannot be added: columns and axes must be the same"
            )
        _unadjusted(self)
        _unadjusted(other)
        arms = (*self.arms, *(arm for arm in other.arms if arm not in self.arms))
        a, b = _with_arms(self, arms), _with_arms(other, arms)
        both = ((a.count, b.count), (a.mean, b.mean), (a.scatter, b.scatter))
        count, mean, scatter = _pooled(*(np.stack(pair) for pair in both))
        return replace(a, count=count, mean=mean, scatter=scatter)

    def column(self, name: str) -> int:
        """Return the place of a column.

        Raises:
            InputError: there is none of that name.
        """
        return _place("column", name, self.columns)

    def arm(self, name: str) -> int:
        """Return the place of an arm.

        Raises:
            InputError: there is none of that name.
        """
        return _place("arm", name, self.arms)

    def axis(self, name: str) -> int:
        """Return the place of an axis.

        Raises:
            InputError: there is none of that name.
        """
        return _place("axis", name, tuple(axis.name for axis in self.axes))

    @property
    def covariance(self) -> Floats:
        """[*axes, arms, columns, columns] with n - 1; NaN where an arm has fewer than two units."""
        return self.scatter / _positive(self.count - 1)[..., None, None]

    @property
    def covariance_of_means(self) -> Floats:
        """[*axes, arms, columns, columns] of the means of each arm, what arms share left out."""
        return self.covariance / _positive(self.count)[..., None, None]

    def select(self, columns: Sequence[str]) -> Moments:
        """Return the moments of some of the columns, in that order."""
        place = [self.column(name) for name in columns]
        return replace(
            self,
            columns=tuple(columns),
            mean=self.mean[..., place],
            scatter=self.scatter[..., place, :][..., place],
            shared=None if self.shared is None else self.shared[..., place, :][..., place],
        )

    def at(self, axis: str, label: Any) -> Moments:
        """Return the moments of one label of an axis, which goes away."""
        place = self.axis(axis)
        labels = self.axes[place].labels
        if label not in labels:
            raise InputError(f"{axis} has no {label!r}, must be one of {labels[:20]}")
        index = labels.index(label)
        return replace(
            self,
            count=np.take(self.count, index, place),
            mean=np.take(self.mean, index, place),
            scatter=np.take(self.scatter, index, place),
            axes=self.axes[:place] + self.axes[place + 1 :],
            shared=None if self.shared is None else np.take(self.shared, index, place),
        )

    def total(self, axis: str) -> Moments:
        """Return the moments of all labels of an axis together; the axis goes away."""
        place = self.axis(axis)
        _unadjusted(self)
        first = (np.moveaxis(array, place, 0) for array in (self.count, self.mean, self.scatter))
        count, mean, scatter = _pooled(*first)
        axes = self.axes[:place] + self.axes[place + 1 :]
        return replace(self, count=count, mean=mean, scatter=scatter, axes=axes)

    def accumulate(self, axis: str) -> Moments:
        """Return at each label of an axis the moments up to and with it, as looks by day see them.

        Each unit must be in one label only, as users are by the day on which they entered.
        """
        place = self.axis(axis)
        running = [self.at(axis, self.axes[place].labels[0])]
        for label in self.axes[place].labels[1:]:
            running.append(running[-1] + self.at(axis, label))
        return replace(
            self,
            count=np.stack([m.count for m in running], place),
            mean=np.stack([m.mean for m in running], place),
            scatter=np.stack([m.scatter for m in running], place),
        )


def _pooled(count: Floats, mean: Floats, scatter: Floats) -> tuple[Floats, Floats, Floats]:
    """Return count, mean and scatter summed over their first axis."""
    n = count.sum(axis=0)
    pooled = (count[..., None] * mean).sum(axis=0) / np.where(n > 0, n, 1)[..., None]
    off = mean - pooled
    between = (count[..., None, None] * off[..., :, None] * off[..., None, :]).sum(axis=0)
    return n, pooled, scatter.sum(axis=0) + between


def _unadjusted(moments: Moments) -> None:
    if moments.shared is not None:
        raise InputError("adjusted moments cannot be added; add first, then adjust")


def _with_arms(moments: Moments, arms: tuple[str, ...]) -> Moments:
    place = [moments.arms.index(arm) if arm in moments.arms else -1 for arm in arms]
    if place == list(range(len(moments.arms))):
        return moments
    there = np.array(place) >= 0
    return replace(
        moments,
        arms=arms,
        count=moments.count[..., place] * there,
        mean=moments.mean[..., place, :] * there[:, None],
        scatter=moments.scatter[..., place, :, :] * there[:, None, None],
    )


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)


def _place(what: str, name: str, known: tuple[str, ...]) -> int:
    if name not in known:
        raise InputError(f"{what} {name!r} is not there, must be one of {known}{nearest(name, known)}")
    return known.index(name)
