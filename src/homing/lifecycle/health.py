"""Is the data what it should be? For the report and for `homing doctor`."""

from __future__ import annotations

from homing.lifecycle.progress import Progress
from homing.report.facts import Alert, Health, Quarantined, Series, TableHealth, Timeline
from homing.schema import HomingError
from homing.schema.times import format_time
from homing.store import (
    Daily,
    Finding,
    Workspace,
    check_ledger,
    events_by_day,
    quarantined,
    reachable_by_day,
    table_spans,
)

_DAYS_SHOWN = 120  # a longer timeline shows only its end
_MUCH_QUARANTINE = 0.01  # share of a table's rows


def data_health(workspace: Workspace, progress: Progress) -> tuple[Health, tuple[str | None, str | None]]:
    """Return the health of the data, and the first and last time of its events and decisions."""
    spans = table_spans(workspace)
    progress.update("data", 0.3)
    reasons = quarantined(workspace)
    progress.update("data", 0.4)
    events, reachable = events_by_day(workspace), reachable_by_day(workspace)
    progress.update("data", 1.0)
    times = [
        (span.first_at, span.last_at)
        for span in spans
        if span.table in ("events", "decisions") and span.first_at is not None and span.last_at is not None
    ]
    tables = tuple(
        TableHealth(
            table=span.table,
            rows=span.rows,
            quarantined=sum(count for (table, _), count in reasons.items() if table == span.table),
            first_at=None if span.first_at is None else format_time(span.first_at),
            last_at=None if span.last_at is None else format_time(span.last_at),
        )
        for span in spans
    )
    health = Health(
        tables=tables,
        quarantine=tuple(Quarantined(table, reason, count) for (table, reason), count in reasons.items()),
        events=_timeline(events),
        reachable=_timeline(reachable),
    )
    if not times:
        return health, (None, None)
    return health, (format_time(min(t[0] for t in times)), format_time(max(t[1] for t in times)))


def health_alerts(workspace: Workspace, health: Health) -> list[Alert]:
    """Return what the ledger's checks found, and tables with many bad rows."""
    alerts = [
        Alert(
            "critical" if finding.level == "error" else "warning",
            finding.subject,
            finding.text,
            finding.next_step,
        )
        for finding in check_ledger(workspace.ledger)
        if finding.level != "ok"
    ]
    for table in health.tables:
        share = table.quarantined / max(table.rows + table.quarantined, 1)
        if share > _MUCH_QUARANTINE:
            alerts.append(
                Alert(
                    "warning",
                    f"Quarantine of {table.table}",
                    f"{table.quarantined:,} rows ({share:.1%}) of {table.table} are in quarantine.",
                    "Look at the reasons under data health, mend the source and ingest it again.",
                )
            )
    return alerts


def doctor(workspace: Workspace) -> list[Finding]:
    """Return whether the workspace is sound, and what is missing for each stage."""
    from homing.lifecycle.record import STAGES, load_record
    from homing.lifecycle.release import current_release, load_release

    findings = [Finding("ok", "homing.toml", "is valid", ""), *check_ledger(workspace.ledger)]
    name = current_release(workspace)
    if name is None:
        findings.append(Finding("warning", "release", "there is none yet", "run 'homing train'"))
    else:
        try:
            load_release(workspace, workspace.ledger.vocabularies())
            findings.append(Finding("ok", "release", f"{name} can be loaded", ""))
        except HomingError as error:
            findings.append(Finding("error", "release", str(error), "run 'homing train'"))
    for stage in STAGES:
        try:
            record = load_record(workspace, stage)
        except HomingError as error:
            findings.append(Finding("error", stage, str(error), f"run 'homing {stage}'"))
            continue
        if record is None:
            findings.append(Finding("warning", stage, "has not run yet", f"run 'homing {stage}'"))
        elif record.header.release != name:
            text = f"was last run with release {record.header.release}, the current one is {name}"
            findings.append(Finding("warning", stage, text, f"run 'homing {stage}'"))
        else:
            findings.append(Finding("ok", stage, f"last ran at {record.header.created_at}", ""))
    return findings


def _timeline(daily: Daily) -> Timeline | None:
    if not daily.days:
        return None
    shown = slice(-_DAYS_SHOWN, None)
    series = (Series(name, tuple(float(n) for n in counts[shown])) for name, counts in daily.counts.items())
    return Timeline(daily.days[shown], tuple(series))
