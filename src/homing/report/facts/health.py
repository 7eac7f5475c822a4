"""The head of the page, warnings, and what was found in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from homing.report.facts.quantities import Count, Estimate

Level = Literal["critical", "warning", "note"]
Tone = Literal["good", "bad", "neutral"]


@dataclass(frozen=True)
class Series:
    """One line of a timeline."""

    name: str
    values: tuple[float, ...]  # one a day


@dataclass(frozen=True)
class Timeline:
    """Several daily series over the same days."""

    days: tuple[str, ...]  # ISO dates
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Header:
    """What the report is about, and its one sentence."""

    workspace: str
    run_id: str
    created_at: str
    verdict: str  # one plain sentence, with its interval
    tone: Tone = "neutral"
    verdict_basis: str = ""  # how the verdict was derived
    release: str | None = None
    log_from: str | None = None
    log_until: str | None = None
    users: int = 0
    decisions: int = 0


@dataclass(frozen=True)
class Alert:
    """Something that the reader has to know before believing the rest."""

    level: Level
    subject: str
    sentence: str
    next_step: str = ""


@dataclass(frozen=True)
class TableHealth:
    """One table of the ledger."""

    table: str
    rows: int
    quarantined: int = 0
    first_at: str | None = None
    last_at: str | None = None


@dataclass(frozen=True)
class Quarantined:
    """Rows that were set aside, and why."""

    table: str
    reason: str
    rows: int


@dataclass(frozen=True)
class PropensityCheck:
    """What the log claims and what it did, for one group of decisions."""

    group: str
    decisions: int
    logged: float  # share that the logged propensities promise
    observed: Estimate  # share that was drawn


@dataclass(frozen=True)
class Health:
    """Is the data what it should be?"""

    tables: tuple[TableHealth, ...]
    quarantine: tuple[Quarantined, ...] = ()
    events: Timeline | None = None  # events by type
    reachable: Timeline | None = None  # users by channel
    propensity: tuple[PropensityCheck, ...] = ()


@dataclass(frozen=True)
class Funnel:
    """From reasons to message to messages; opportunities x channels x slots are candidates."""

    users: int
    opportunities: int
    candidates: int  # before rules, without hold
    eligible: int  # after rules, without hold
    sends: int
    holds: int
    removed: tuple[Count, ...] = ()  # candidates by the one rule that removed them
