"""The facts of a comparison of policies in a world. The page and its JSON are both made from them.

Numbers are per person of the population over the whole period, newcomers included; shares lie in [0, 1].
Differences are paired: the same person with and without, under the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from homing.report.encoding import Document
from homing.report.facts import Estimate, Header, Stage, Unit


@dataclass(frozen=True)
class Measure:
    """One number of a person."""

    name: str
    unit: Unit
    direction: Literal["up", "down", "none"]  # whether more is better; none: neither
    meaning: str


@dataclass(frozen=True)
class Score:
    """One policy on one measure."""

    measure: str
    mean: Estimate
    difference: Estimate | None = None  # from the baseline; None: this is it
    relative: Estimate | None = None  # difference as a share of the baseline's mean


@dataclass(frozen=True)
class Standing:
    """One policy."""

    policy: str
    scores: tuple[Score, ...]  # one a measure
    daily: tuple[float, ...]  # share of people who are active, by day
    daily_difference: tuple[Estimate, ...]  # from the baseline, by day; empty: this is it
    weekly: tuple[float, ...]  # share of people who are active, by whole week
    weekly_difference: tuple[Estimate, ...]
    by_seed: tuple[float, ...] = ()  # difference on the first measure, world by world

    def score(self, measure: str) -> Score:
        """Return the score on the named measure."""
        return next(score for score in self.scores if score.measure == measure)


@dataclass(frozen=True)
class Leaderboard(Document):
    """A comparison of policies, the best on the first measure first."""

    root = "leaderboard"

    header: Header
    world: str
    people: int  # in each world
    days: int
    seeds: tuple[int, ...]  # of the worlds
    replicates: int  # lives of each person
    baseline: str
    measures: tuple[Measure, ...]
    standings: tuple[Standing, ...]
    confidence: float = 0.95
    training: str = ""  # what trained policies learned from, in words
    command: str = ""
    stages: tuple[Stage, ...] = ()
    format: int = 1

    def standing(self, policy: str) -> Standing:
        """Return the standing of the named policy."""
        return next(standing for standing in self.standings if standing.policy == policy)
