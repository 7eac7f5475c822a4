"""What all messages together do: a global holdout against the rest, by period and since the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.experiments.adjust import adjust, variance_reduction
from homing.experiments.differences import Alternative, Difference, difference
from homing.experiments.inputs import numbers
from homing.experiments.metrics import mean, ratio
from homing.experiments.moments import Axis, Floats, Moments
from homing.experiments.scales import Scale
from homing.experiments.sums import moments_by_code
from homing.schema.errors import InputError

HELD_OUT, REST = "holdout", "rest"
_OUTCOME, _PERIODS = "outcome", "periods"
_Parts = list[tuple[Floats, Floats, Floats]]  # count, mean and scatter, period by period


@dataclass(frozen=True)
class HoldoutReadout:
    """The rest less the holdout, in each of the periods; arrays of differences are float64 [periods]."""

    periods: tuple[Any, ...]
    by_period: Difference  # of means over users who had entered by that period
    cumulative: Difference  # of outcomes per user and period from each user's entry up to that period
    noise_taken: Floats  # [periods] share of the variance of cumulative outcomes that `before` explained


@dataclass(frozen=True)
class HoldoutMoments:
    """What a read-out is made of. They add, so users may come in parts; each user in one of them."""

    by_period: Moments  # of outcomes, over users who had entered by that period
    cumulative: Moments  # of outcomes up to each period, and of the time in which they are
    before: tuple[str, ...] = ()  # columns of both from before the start, by which the read-out is adjusted

    def __add__(self, other: HoldoutMoments) -> HoldoutMoments:
        """Return those of both sets of users."""
        by_period, cumulative = self.by_period + other.by_period, self.cumulative + other.cumulative
        return HoldoutMoments(by_period, cumulative, self.before)

    def readout(
        self,
        name: str = "outcome",
        *,
        scale: Scale = "absolute",
        confidence: float = 0.95,
        alternative: Alternative = "two-sided",
        critical: ArrayLike | None = None,
    ) -> HoldoutReadout:
        """Return the read-out; arguments and errors as of `holdout_readout`."""
        options: dict[str, Any] = {"scale": scale, "confidence": confidence, "alternative": alternative}
        single, running = self.by_period, self.cumulative
        if self.before:
            # slopes of all users: a holdout is small, and slopes of its own would follow its noise
            single = adjust(single, {_OUTCOME: self.before}, slopes="within")
            running = adjust(running, {_OUTCOME: self.before, _PERIODS: self.before}, slopes="within")
        total = ratio(_OUTCOME, _PERIODS, name)
        return HoldoutReadout(
            single.axes[0].labels,
            difference(single, mean(_OUTCOME, name), REST, HELD_OUT, **options),
            difference(running, total, REST, HELD_OUT, critical=critical, **options),
            variance_reduction(self.cumulative, running, _OUTCOME),
        )


def holdout_readout(
    outcome: ArrayLike,
    held_out: ArrayLike,
    entered: ArrayLike,
    *,
    name: str = "outcome",
    periods: Sequence[Any] | None = None,
    lengths: ArrayLike | None = None,
    before: Mapping[str, ArrayLike] | None = None,
    scale: Scale = "absolute",
    confidence: float = 0.95,
    alternative: Alternative = "two-sided",
    critical: ArrayLike | None = None,
) -> HoldoutReadout:
    """Return a global holdout against the rest, by period and cumulative.

    A user counts from the period of entry on, and never ceases to: who leaves has outcomes of 0, which are an
    effect. Entry must not depend on the messages, as a sign-up does not. The mean of a period is over
    all who had entered by it, sum y_uk / n_k. The cumulative level up to period k is a ratio of sums over
    users, sum_u sum_{e_u <= j <= k} y_uj / sum_u (k - e_u + 1), with users as the units, whose periods vary
    together (delta method; Deng, Knoblich & Lu 2018): late users count for the periods that they were there.

    Args:
        outcome: float [users, periods]; what is before a user's entry is not read.
        held_out: bool [users], drawn at random.
        entered: integer [users], place of the first period; a user who enters later than all is not counted.
        name: of the metric.
        periods: labels [periods]; None: numbers from 0.
        lengths: float [periods] > 0, in whole periods, where the first or the last is a part; None: all are.
        before: float [users] each, finite: what is known of users from before anybody was held out, by which
            both levels are adjusted as in `adjust` (CUPED; a prediction is CUPAC). For who was not there yet
            give 0, and a column that says so.
        scale: as in `difference`.
        confidence: of each interval.
        alternative: as in `difference`.
        critical: standard errors that cumulative intervals reach, float [periods], where periods are looks;
            from `homing.experiments.sequential`.

    Raises:
        InputError: shapes that differ, outcomes that are not finite from the entry on, labels that repeat,
            too few users to adjust, or an option outside its range.
    """
    moments = holdout_moments(outcome, held_out, entered, periods=periods, lengths=lengths, before=before)
    return moments.readout(
        name, scale=scale, confidence=confidence, alternative=alternative, critical=critical
    )


def holdout_moments(
    outcome: ArrayLike,
    held_out: ArrayLike,
    entered: ArrayLike,
    *,
    periods: Sequence[Any] | None = None,
    lengths: ArrayLike | None = None,
    before: Mapping[str, ArrayLike] | None = None,
) -> HoldoutMoments:
    """Return the moments of some users; arguments and errors as of `holdout_readout`."""
    y, held, entry, labels = _checked(outcome, held_out, entered, periods)
    length = np.ones(y.shape[1]) if lengths is None else np.asarray(lengths, np.float64)
    if length.shape != y.shape[1:] or not (np.isfinite(length) & (length > 0)).all():
        raise InputError(f"lengths == {lengths!r}, must be {y.shape[1]} finite numbers over 0")
    named = {name: numbers(name, values, len(y)) for name, values in (before or {}).items()}
    if taken := {_OUTCOME, _PERIODS} & set(named):
        raise InputError(f"before has {sorted(taken)}, which are names of the read-out; rename them")
    known = np.column_stack(list(named.values())) if named else np.empty((len(y), 0))
    by_period, cumulative = _moments(y, held, entry, length, known)
    return HoldoutMoments(
        _along(by_period, (_OUTCOME, *named), labels),
        _along(cumulative, (_OUTCOME, _PERIODS, *named), labels),
        tuple(named),
    )


def _checked(
    outcome: ArrayLike, held_out: ArrayLike, entered: ArrayLike, periods: Sequence[Any] | None
) -> tuple[Floats, Floats, NDArray[np.intp], tuple[Any, ...]]:
    y, held, entry = np.asarray(outcome, np.float64), np.asarray(held_out), np.asarray(entered)
    if y.ndim != 2 or not y.size or held.shape != y.shape[:1] or entry.shape != y.shape[:1]:
        raise InputError(
            f"outcome has shape {y.shape}, held_out {held.shape} and entered {entry.shape}, must be "
            "[users, periods], [users] and [users]"
        )
    if not np.isin(held, (0, 1)).all() or entry.dtype.kind not in "iu" or (entry < 0).any():
        raise InputError("held_out must be True or False, and entered the place of a period, 0 or more")
    there = entry[:, None] <= np.arange(y.shape[1])
    if bad := int((there & ~np.isfinite(y)).sum()):
        raise InputError(
            f"outcome has {bad:,} missing or infinite values from the entry on; one who did nothing has 0"
        )
    labels = tuple(range(y.shape[1]) if periods is None else periods)
    if len(set(labels)) != y.shape[1]:
        raise InputError(f"periods == {labels}, must be {y.shape[1]} different labels")
    return np.where(there, y, 0.0), held.astype(np.float64), entry.astype(np.intp), labels


def _moments(
    y: Floats, held: Floats, entry: NDArray[np.intp], length: Floats, known: Floats
) -> tuple[_Parts, _Parts]:
    """Return moments of outcomes in each period, and of sums of outcomes and of periods up to each."""
    single, running = [], []
    total, ends = np.zeros(len(y)), np.cumsum(length)
    for place in range(y.shape[1]):
        there = entry <= place
        total += y[:, place]
        codes = (held[there] == 0).astype(np.intp)
        since = ends[place] - (ends - length)[entry[there]]
        single.append(moments_by_code(codes, np.column_stack([y[there, place], known[there]]), 2))
        running.append(moments_by_code(codes, np.column_stack([total[there], since, known[there]]), 2))
    return single, running


def _along(parts: _Parts, columns: tuple[str, ...], labels: tuple[Any, ...]) -> Moments:
    count, centre, scatter = (np.stack(part) for part in zip(*parts, strict=True))
    return Moments((HELD_OUT, REST), columns, count, centre, scatter, (Axis("period", labels),))
