"""Heads: one output of the network for each objective, and the scale that its loss is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from homing.schema import InputError

Link = Literal["logit", "log", "identity"]


@dataclass(frozen=True)
class Head:
    """An output: the probability of a yes/no outcome, or the mean of a number."""

    name: str
    kind: Literal["binary", "mean"]
    most: float | None = None  # the largest possible outcome of a mean head, such as days of a window


@dataclass(frozen=True)
class HeadScale:
    """How the network's raw output z of one head becomes a prediction, and what its loss is divided by.

    logit: prediction = unit * sigmoid(z), loss = cross-entropy of the share of `unit`; for shares between 0
    and 1 that is a quasi-likelihood whose optimum is the mean (Papke & Wooldridge 1996, equation 5). log:
    prediction = unit * exp(z), loss = Poisson deviance, whose optimum is the mean of any non-negative
    outcome. identity: prediction = unit * z, loss = squared error.
    """

    link: Link
    unit: float  # outcome per unit of prediction; 1 for yes/no
    start: float  # raw output of the best constant
    noise: float  # standard deviation of the loss's gradient at that constant
    constant: bool = False  # the outcome never varied: the head predicts `start`, whatever the candidate


def measure_scales(
    heads: Sequence[Head], outcomes: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[HeadScale, ...]:
    """Return one scale a head, from the training rows (int64 [m] into float32 [rows, heads], NaN: censored).

    A mean head whose outcomes lie in [0, most] gets the logit link, one whose outcomes are never negative
    the log link, any other the identity. Where all outcomes
    are equal there is nothing to learn: a binary head's constant is (positives + 1/2) / (rows + 1), which is
    never 0 or 1 (the posterior mean under Jeffreys' prior), and a mean head's is the mean.

    Raises:
        InputError: a head has no outcome, or one that its kind cannot have.
    """
    return tuple(_measure(head, outcomes[rows, place]) for place, head in enumerate(heads))


def _measure(head: Head, outcomes: NDArray[np.float32]) -> HeadScale:
    known = outcomes[~np.isnan(outcomes)].astype(np.float64)
    if not len(known):
        raise InputError(
            f"objective {head.name!r} has no known outcome in the training rows; it needs decisions older "
            "than its window: shorten `window` or ingest an older log"
        )
    if not np.isfinite(known).all():
        raise InputError(f"objective {head.name!r} has infinite outcomes; outcomes must be finite or NaN")
    mean, spread = float(known.mean()), float(known.std())
    if head.kind == "binary":
        if ((known != 0) & (known != 1)).any():
            raise InputError(f"objective {head.name!r} is binary, but has outcomes other than 0 and 1")
        if mean in (0.0, 1.0):
            smoothed = (known.sum() + 0.5) / (len(known) + 1)
            return HeadScale("logit", 1.0, float(np.log(smoothed / (1 - smoothed))), 1.0, constant=True)
        return HeadScale("logit", 1.0, float(np.log(mean / (1 - mean))), float(np.sqrt(mean * (1 - mean))))
    if spread == 0:
        return HeadScale("identity", 1.0, mean, 1.0, constant=True)
    if head.most is not None and known.min() >= 0 and known.max() <= head.most:
        share = mean / head.most
        return HeadScale("logit", head.most, float(np.log(share / (1 - share))), spread / head.most)
    if known.min() >= 0:
        return HeadScale("log", mean, 0.0, spread / mean)
    return HeadScale("identity", spread, mean / spread, 1.0)
