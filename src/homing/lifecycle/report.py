"""The report: what the newest run of every stage found, and the state of the data, on one page."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path

from homing.lifecycle.estimates import best_constant
from homing.lifecycle.health import data_health, health_alerts
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import RECORDS, load_record, stage_facts
from homing.lifecycle.release import current_release
from homing.lifecycle.verdict import verdict
from homing.report import write_report
from homing.report.facts import Alert, Facts, Provenance, Tone
from homing.store import Workspace

_PACKAGES = ("homing", "torch", "polars", "duckdb", "numpy", "numba")


@dataclass(frozen=True)
class Reported:
    """Where the report is, and what it says."""

    path: Path
    facts: Facts

    def _repr_html_(self) -> str:
        """Show the page in a notebook."""
        return f'<iframe srcdoc="{escape(self.path.read_text())}" width="100%" height="800"></iframe>'


def make_report(workspace: Workspace, path: Path | None = None, progress: Progress | None = None) -> Reported:
    """Write `report.html` and `report.json`.

    Args:
        workspace: whose newest stages are reported; a stage that has not run is named as missing.
        path: of the page; by default `report.html` in the workspace.
        progress: where to report.
    """
    progress = progress or Silent()
    facts = gather_facts(workspace, progress)
    target = path or workspace.path / "report.html"
    write_report(facts, target)
    progress.update("report", 1.0)
    return Reported(target, facts)


def gather_facts(workspace: Workspace, progress: Progress | None = None) -> Facts:
    """Return all that is known of the workspace."""
    progress = progress or Silent()
    records = {stage: record for stage in RECORDS if (record := load_record(workspace, stage)) is not None}
    timings = Timings()
    with timings.measure("data"):
        health, span = data_health(workspace, progress)
    merged = stage_facts(workspace, "report", timings)
    alerts: list[Alert] = [*health_alerts(workspace, health)]
    release = current_release(workspace)
    sections = {}
    for stage, record in records.items():
        made_by = record.header.release
        if made_by != release:
            alerts.append(
                Alert(
                    "warning",
                    "Release",
                    f"The results of '{stage}' are of release {made_by}; the current one is {release}.",
                    f"Run 'homing {stage}' again.",
                )
            )
        alerts += (alert for alert in record.alerts if alert not in alerts)  # a plan repeats training's
        for field in (
            "funnel",
            "selection",
            "quality",
            "values",
            "uplift",
            "truth",
            "trial",
            "schedule",
            "budgets",
            "curves",
            "tradeoffs",
            "journeys",
        ):
            if getattr(record, field) is not None:
                sections[field] = getattr(record, field)
    evaluated = records.get("evaluate")
    sentence: str = "No policy has been evaluated yet: run 'homing evaluate'."
    tone: Tone = "neutral"
    basis = ""
    if evaluated is not None and evaluated.values is not None:
        sentence, tone, basis = verdict(evaluated.values, best_constant(evaluated.values.objectives))
    counts = workspace.ledger.counts()
    checks = next((record.health.propensity for record in records.values() if record.health), ())
    order = {"critical": 0, "warning": 1, "note": 2}
    return dataclasses.replace(
        merged,
        header=dataclasses.replace(
            merged.header,
            verdict=sentence,
            tone=tone,
            verdict_basis=basis,
            release=release,
            log_from=span[0],
            log_until=span[1],
            users=counts.get("users", 0),
            decisions=counts.get("decisions", 0),
        ),
        alerts=tuple(sorted(alerts, key=lambda alert: order[alert.level])),
        health=dataclasses.replace(health, propensity=checks),
        stages=tuple(stage for record in records.values() for stage in record.stages or ()),
        provenance=_provenance(workspace),
        **sections,
    )


def _provenance(workspace: Workspace) -> Provenance:
    config = (workspace.path / "homing.toml").read_bytes()
    versions = [(name, version(name)) for name in _PACKAGES]
    return Provenance(
        config_hash=hashlib.sha256(config).hexdigest()[:12],
        versions=(("python", platform.python_version()), *versions),
        command=f"homing run --workspace {workspace.path.name}",
    )
