"""Who opens and clicks what, through which channel, at which hour, and how long that takes.

Base rates by channel are published ranges; the weights inside the logits are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms.log_normal import share_within

MEAN_RELEVANCE = 0.4  # mean cosine of a user's taste and a message's topics; effects are centred on it

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Opening:
    """Weights of the logit of an open. A weight of zero or a switch takes a mechanism out."""

    base: ByChannel = field(
        default=ByChannel(push=-4.45, email=-1.75, in_app=-2.1)
    )  # logit of an average send
    relevance: float = 2.6  # by cosine of taste and topics, centred; assumed
    appeal: float = 1.2  # by how loud the message is, centred at 0.5; assumed
    moment: ByChannel = field(
        default=ByChannel(push=0.8, email=0.35, in_app=0.0)
    )  # by log receptivity; assumed
    habit: float = 0.8  # by habit, centred at 0.5; assumed
    dormant: float = -1.2  # people who left rarely look; assumed
    staleness: float = 0.35  # by urgency, for each doubling of the days since the message came out; assumed
    readiness: ByChannel = field(
        default=ByChannel(push=1.0, email=0.0, in_app=0.0)
    )  # on a day on which the user comes anyway: opens move visits more than they make them; assumed
    relevance_on: bool = True
    affinity_on: bool = True
    moment_on: bool = True
    staleness_on: bool = True
    readiness_on: bool = True


@dataclass(frozen=True)
class Delay:
    """Log-normal time from delivery to open, in minutes."""

    median: ByChannel = field(default=ByChannel(push=30.0, email=180.0, in_app=0.1))  # assumed
    ios_push: float = 7.0  # published median
    android_push: float = 48.0  # published median
    spread: ByChannel = field(default=ByChannel(push=1.3, email=1.3, in_app=0.3))  # sigma of the log; assumed
    longest: ByChannel = field(
        default=ByChannel(push=1440.0, email=4320.0, in_app=5.0)
    )  # later opens do not come
    on: bool = True


@dataclass(frozen=True)
class Clicking:
    """Logit of a click, given an open."""

    base: ByChannel = field(default=ByChannel(push=-0.4, email=-2.0, in_app=-0.9))
    relevance: float = 1.8  # assumed
    quality: float = 1.0  # assumed


@dataclass(frozen=True)
class Worth:
    """Whether a visit that a message caused was worth it to the user."""

    base: float = 0.3
    relevance: float = 3.0  # assumed
    quality: float = 2.5  # assumed
    appeal: float = -2.0  # loud messages promise more than they hold: clicks and loyalty part; assumed
    on: bool = True


@dataclass(frozen=True)
class ResponseModel:
    """All parameters of the direct response."""

    opening: Opening = field(default_factory=Opening)
    delay: Delay = field(default_factory=Delay)
    clicking: Clicking = field(default_factory=Clicking)
    worth: Worth = field(default_factory=Worth)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), elementwise."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -40.0, 40.0))))


def open_logit(
    p: Opening,
    *,
    base: Floats,
    moment_weight: Floats,
    relevance: Floats,
    appeal: Floats,
    affinity: Floats,
    receptivity: Floats,
    habit: Floats,
    dormant: NDArray[np.bool_],
    staleness: Floats,
) -> Floats:
    """Return the logit of an open before fatigue and repetition.

    Args:
        p: weights and switches.
        base: [n] logit of an average send through the channel.
        moment_weight: [n] weight of the moment in the channel.
        relevance: [n] cosine of taste and topics, in [0, 1].
        appeal: [n] in [0, 1].
        affinity: [n] the user's own logit offset for the channel.
        receptivity: [n] the user's activity at the local hour over its mean over the day, > 0.
        habit: [n] in [0, 1].
        dormant: [n] whether the user has left.
        staleness: [n] urgency times log2(1 + days since the message came out), >= 0.

    Returns:
        [n] logits.
    """
    logit = base + p.appeal * (appeal - 0.5) + p.habit * (habit - 0.5) + p.dormant * dormant
    if p.relevance_on:
        logit = logit + p.relevance * (relevance - MEAN_RELEVANCE)
    if p.affinity_on:
        logit = logit + affinity
    if p.moment_on:
        logit = logit + moment_weight * np.log(np.clip(receptivity, 0.2, 4.0))
    if p.staleness_on:
        logit = logit - p.staleness * staleness
    return np.asarray(logit)


def ready_open_probability(p: Opening, logit: Floats, weight: Floats, ready: Floats) -> Floats:
    """Return the probability [n] of an open, given how likely the user is to come anyway that day.

    `ready * sigmoid(logit + weight) + (1 - ready) * sigmoid(logit)`

    Args:
        p: the switch.
        logit: [n] of an open on a day on which the user does not come anyway.
        weight: [n] of readiness in the channel.
        ready: [n] probability of such a day; 0 or 1 where it is known.
    """
    if not p.readiness_on:
        return sigmoid(logit)
    return np.asarray(ready * sigmoid(logit + weight) + (1.0 - ready) * sigmoid(logit))


def click_probability(p: Clicking, base: Floats, relevance: Floats, quality: Floats) -> Floats:
    """Return the probability [n] of a click given an open; `base` [n] is the channel's logit."""
    return sigmoid(base + p.relevance * (relevance - MEAN_RELEVANCE) + p.quality * (quality - 0.5))


def worth_probability(p: Worth, relevance: Floats, quality: Floats, appeal: Floats) -> Floats:
    """Return the probability [n] that the visit was worth it: not the same order as clicks."""
    if not p.on:
        return np.full_like(relevance, sigmoid(np.asarray(p.base)))
    return sigmoid(
        p.base
        + p.relevance * (relevance - MEAN_RELEVANCE)
        + p.quality * (quality - 0.5)
        + p.appeal * (appeal - 0.5)
    )


def open_delay(p: Delay, median: Floats, spread: Floats, normal: Floats) -> Floats:
    """Return log-normal delays [n] in minutes: `median * exp(spread * normal)`, or none when off."""
    if not p.on:
        return np.zeros_like(median)
    return np.asarray(median * np.exp(spread * normal))


def opened_within(p: Delay, median: Floats, spread: Floats, minutes: Floats) -> Floats:
    """Return the probability [n] that `open_delay` is at most so many minutes."""
    return share_within(minutes, median, spread) if p.on else (minutes >= 0).astype(np.float64)
