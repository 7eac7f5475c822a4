"""Time to an event, such as an opt-out or the first day away, where some users have not been there for long.

A user is seen from the start to `time`; `happened` says whether the event ended it, or the data did. Every
user counts for as long as seen, so recent users are neither left out nor held to have stayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from homing.experiments.metrics import Levels
from homing.experiments.moments import Floats
from homing.experiments.sums import check_finite
from homing.schema.errors import InputError

_STEPS: Final = 50
_CLOSE: Final = 1e-12


@dataclass(frozen=True)
class Curve:
    """The Kaplan-Meier estimate of who is still there, float64 [times] at each time of an event."""

    time: Floats
    at_risk: Floats  # users seen up to just before it
    events: Floats
    survival: Floats  # share still there after it
    std_error: Floats  # Greenwood's


@dataclass(frozen=True)
class Hazards:
    """How much faster the event comes in an arm, at all times alike."""

    ratio: float  # of hazards; 2: twice as fast
    low: float
    high: float
    p_value: float  # of a ratio of 1, by the log-rank test
    events: int  # in both arms


def kaplan_meier(time: ArrayLike, happened: ArrayLike) -> Curve:
    """Return the curve of users who are still there (Kaplan & Meier 1958).

    Args:
        time: float [users] >= 0, from the start to the event or to where the data end.
        happened: bool [users], whether it ended with the event.

    Raises:
        InputError: lengths differ, no users, negative or missing times.
    """
    at, event = _checked(time, happened)
    times, at_risk, events = _table(at, event)
    survival = np.asarray(np.cumprod(1 - events / at_risk), np.float64)
    left = at_risk - events
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(np.where(left > 0, events / (at_risk * left), np.inf))
        error = np.where(left > 0, survival * np.sqrt(greenwood), np.nan)
    return Curve(times, at_risk, events, survival, np.asarray(error, np.float64))


def survival_levels(
    arm: ArrayLike, time: ArrayLike, happened: ArrayLike, after: float, name: str = ""
) -> Levels:
    """Return the share of each arm that is still there after a time, for `compare`.

    Args:
        arm: text or integers [users].
        time: as `kaplan_meier`.
        happened: as `kaplan_meier`.
        after: the time; an event at it has happened.
        name: of the metric.

    Returns:
        Levels that are NaN in an arm where nobody was seen for so long.

    Raises:
        InputError: as `kaplan_meier`.
    """
    at, event = _checked(time, happened)
    label = _labels(arm, at)
    arms = np.unique(label)
    value, noise, count = (np.full(len(arms), np.nan) for _ in range(3))
    for place, each in enumerate(arms):
        here = label == each
        count[place] = here.sum()
        if at[here].max() >= after:
            curve = kaplan_meier(at[here], event[here])
            last = int(np.searchsorted(curve.time, after, side="right")) - 1
            value[place] = curve.survival[last] if last >= 0 else 1.0
            noise[place] = curve.std_error[last] ** 2 if last >= 0 else 0.0
    shared = np.zeros((len(arms), len(arms)))
    return Levels(name or f"still there after {after:g}", tuple(map(str, arms)), value, noise, shared, count)


def hazard_ratio(
    arm: ArrayLike,
    time: ArrayLike,
    happened: ArrayLike,
    of: str,
    control: str = "control",
    confidence: float = 0.95,
) -> Hazards:
    """Return the ratio of hazards (Cox 1972, ties by Efron 1977) and the log-rank test (Mantel 1966).

    Args:
        arm: text [users].
        time: as `kaplan_meier`.
        happened: as `kaplan_meier`.
        of: the arm.
        control: what it is compared with.
        confidence: of the interval.

    Raises:
        InputError: as `kaplan_meier`, an arm without users, or an arm without events: the ratio is then 0,
            infinite or not known.
    """
    at, event = _checked(time, happened)
    label = _labels(arm, at).astype(str)
    if not 0 < confidence < 1:
        raise InputError(f"confidence == {confidence}, must be in (0, 1)")
    for each in (of, control):
        if not event[label == each].any():
            raise InputError(f"arm {each!r} has no events, must have some; compare `survival_levels` instead")
    times = np.unique(at[event & ((label == of) | (label == control))])
    risk_1, events_1 = _at(times, at[label == of], event[label == of])
    risk_0, events_0 = _at(times, at[label == control], event[label == control])
    beta, error = _cox(risk_1, events_1, risk_0, events_0)
    reach = ndtri(0.5 + confidence / 2) * error
    return Hazards(
        ratio=float(np.exp(beta)),
        low=float(np.exp(beta - reach)),
        high=float(np.exp(beta + reach)),
        p_value=_log_rank(risk_1, events_1, risk_0, events_0),
        events=int(events_1.sum() + events_0.sum()),
    )


def _cox(risk_1: Floats, events_1: Floats, risk_0: Floats, events_0: Floats) -> tuple[float, float]:
    """Return the log of the ratio and its standard error, by Newton's method on Efron's likelihood."""
    events = (events_1 + events_0).astype(np.int64)
    which = np.repeat(np.arange(len(events)), events)
    first = np.repeat(np.cumsum(events) - events, events)
    gone = (np.arange(len(which)) - first) / events[which]
    one, zero = risk_1[which] - gone * events_1[which], risk_0[which] - gone * events_0[which]
    beta = 0.0
    for _ in range(_STEPS):
        share = one * np.exp(beta) / (zero + one * np.exp(beta))
        information = float((share * (1 - share)).sum())
        step = float((events_1.sum() - share.sum()) / information)
        beta += max(-1.0, min(1.0, step))
        if abs(step) < _CLOSE:
            break
    return beta, float(1 / np.sqrt(information))


def _log_rank(risk_1: Floats, events_1: Floats, risk_0: Floats, events_0: Floats) -> float:
    risk, events = risk_1 + risk_0, events_1 + events_0
    expected = events * risk_1 / risk
    variance = events * (risk_1 / risk) * (risk_0 / risk) * (risk - events) / np.maximum(risk - 1, 1)
    return float(2 * ndtr(-abs(events_1.sum() - expected.sum()) / np.sqrt(variance.sum())))


def _table(time: Floats, event: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    times = np.unique(time[event])
    return times, *_at(times, time, event)


def _at(times: Floats, time: Floats, event: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return who is at risk and how many events there are at each time: float64 [times] both."""
    ordered, ended = np.sort(time), np.sort(time[event])
    at_risk = len(time) - np.searchsorted(ordered, times, side="left")
    events = np.searchsorted(ended, times, side="right") - np.searchsorted(ended, times, side="left")
    return at_risk.astype(np.float64), events.astype(np.float64)


def _checked(time: ArrayLike, happened: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    at, event = np.asarray(time, np.float64), np.asarray(happened)
    if at.ndim != 1 or not len(at) or event.shape != at.shape or event.dtype != np.bool_:
        raise InputError(
            f"time {at.shape} and happened {event.dtype} {event.shape} must be numbers and bool [users]"
        )
    check_finite(["time"], at[:, None])
    if at.min() < 0:
        raise InputError(f"time has a minimum of {at.min():g}, must be >= 0: from the user's start")
    return at, event


def _labels(arm: ArrayLike, time: Floats) -> NDArray[Any]:
    label = np.asarray(arm)
    if label.shape != time.shape:
        raise InputError(f"arm has shape {label.shape}, must have {time.shape} like time")
    return label
