"""A whole report."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from homing.report.encoding import Document
from homing.report.facts.health import Alert, Funnel, Header, Health
from homing.report.facts.plans import BudgetCurve, Budgets, Schedule
from homing.report.facts.quality import Quality, Selection
from homing.report.facts.tradeoffs import Journeys, TradeOffs
from homing.report.facts.trial import Trial
from homing.report.facts.values import Truth, Uplift, Values


@dataclass(frozen=True)
class Stage:
    """What one stage of the run took."""

    name: str
    seconds: float
    peak_bytes: float = nan
    rows: int | None = None


@dataclass(frozen=True)
class Provenance:
    """What it takes to get the same numbers again."""

    config_hash: str
    versions: tuple[tuple[str, str], ...] = ()  # name, version
    command: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts(Document):
    """A whole report."""

    header: Header
    alerts: tuple[Alert, ...] = ()
    health: Health | None = None
    funnel: Funnel | None = None
    selection: Selection | None = None
    quality: Quality | None = None
    values: Values | None = None
    uplift: tuple[Uplift, ...] | None = None
    truth: tuple[Truth, ...] | None = None
    trial: Trial | None = None
    schedule: Schedule | None = None
    budgets: Budgets | None = None
    curves: tuple[BudgetCurve, ...] | None = None
    tradeoffs: TradeOffs | None = None
    journeys: Journeys | None = None
    stages: tuple[Stage, ...] | None = None
    provenance: Provenance | None = None
    format: int = 1  # of report.json
