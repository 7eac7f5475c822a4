"""A number with its interval, a count, a named value; and the words for them."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

Unit = Literal["rate", "number"]
Judgement = Literal["reference", "better", "worse", "cannot_tell", "do_not_trust"]


@dataclass(frozen=True)
class Estimate:
    """A number and its confidence interval; the bounds are NaN where there is none."""

    value: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True)
class Count:
    """How many of one thing."""

    name: str
    count: int


@dataclass(frozen=True)
class Named:
    """One number of one thing, such as a value per objective."""

    name: str
    value: float
