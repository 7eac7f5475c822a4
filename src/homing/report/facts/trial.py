"""A trial in a world, beside what evaluation promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from homing.report.facts.quantities import Estimate, Unit


@dataclass(frozen=True)
class ArmMeasure:
    """One number a person in the two arms of a trial."""

    name: str
    unit: Unit
    direction: Literal["up", "down", "none"]
    meaning: str
    treatment: Estimate
    control: Estimate
    difference: Estimate  # adjusted by what the people were before
    relative: Estimate  # as a share of the control's mean


@dataclass(frozen=True)
class Promise:
    """What was estimated from the log before a trial, and what a trial then brought; per decision."""

    objective: str
    unit: Unit
    meaning: str
    log: Estimate  # the log's own mean
    promised: Estimate  # of the treatment, from the log
    realised: Estimate  # of the treatment, in the trial
    control: Estimate  # of the control, in the trial


@dataclass(frozen=True)
class Trial:
    """A policy on a random half of the users, another on the rest."""

    treatment: str
    control: str
    starts_at: str
    days: int
    people: tuple[int, int]  # in treatment and control
    measures: tuple[ArmMeasure, ...]
    promises: tuple[Promise, ...]
    confidence: float = 0.95
