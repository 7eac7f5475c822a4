import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
from small_world import SmallWorld

from homing.lifecycle.health import data_health, doctor, health_alerts
from homing.lifecycle.progress import Silent
from homing.lifecycle.record import load_record
from homing.lifecycle.release import current_release
from homing.lifecycle.report import make_report
from homing.report.facts import Facts
from homing.schema.times import format_time
from homing.store import Finding, Workspace, ingest


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_a_workspace_after_the_main_job_is_sound(small_world: SmallWorld) -> None:
    findings = doctor(small_world.workspace)
    assert {finding.level for finding in findings} == {"ok"}
    assert {"homing.toml", "release", "train", "evaluate", "plan"} - {"train"} <= set(by_subject(findings))


def test_a_new_workspace_says_what_is_missing(tmp_path: Path) -> None:
    found = by_subject(doctor(Workspace.create(tmp_path / "new")))
    assert found["release"].level == "warning"
    assert found["release"].next_step == "run 'homing train'"
    assert found["evaluate"].text == "has not run yet"
    assert found["plan"].next_step == "run 'homing plan'"


def test_what_is_damaged_is_found_and_the_rest_is_looked_at(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    (workspace.releases_path / str(current_release(workspace)) / "release.json").write_text("{")
    (workspace.runs_path / "plan.json").write_text("{")
    found = by_subject(doctor(workspace))
    assert found["release"].level == "error"
    assert "is damaged" in found["release"].text
    assert found["plan"].level == "error"
    assert "plan.json cannot be read" in found["plan"].text
    assert found["evaluate"].level == "ok"


def test_results_of_an_older_release_are_a_warning(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    path = workspace.runs_path / "evaluate.json"
    data = json.loads(path.read_text())
    data["header"]["release"] = "r-older"
    path.write_text(json.dumps(data))
    assert "last run with release r-older" in by_subject(doctor(workspace))["evaluate"].text
    facts = make_report(workspace).facts
    (alert,) = (alert for alert in facts.alerts if alert.subject == "Release")
    assert alert.level == "warning"
    assert "'evaluate' are of release r-older" in alert.sentence


def test_the_health_of_the_data_is_the_ledgers(small_world: SmallWorld) -> None:
    health, span = data_health(small_world.workspace, Silent())
    counts = small_world.workspace.ledger.counts()
    assert {t.table: t.rows for t in health.tables if t.rows} == {name: n for name, n in counts.items() if n}
    assert all(table.quarantined == 0 for table in health.tables)
    assert health.events is not None
    events = sum(sum(series.values) for series in health.events.series)
    assert events == counts["events"]
    assert len(health.events.days) == len(health.events.series[0].values)
    assert span[0] is not None
    assert span[1] is not None
    assert span[0] < span[1]
    assert not [a for a in health_alerts(small_world.workspace, health) if a.level == "critical"]


def test_many_bad_rows_are_a_warning(copied: Callable[[], Workspace], tmp_path: Path) -> None:
    workspace = copied()
    n = small = workspace.ledger.counts()["messages"]
    bad = {
        "message_id": [f"bad-{row}" for row in range(n)],
        "domain": ["music"] * n,
        "category": ["x"] * n,
        "channels": [["pigeon"]] * n,
    }
    pl.DataFrame(bad).write_parquet(tmp_path / "messages.parquet")
    assert ingest(workspace, [tmp_path / "messages.parquet"]).tables["messages"].quarantined == n
    workspace = Workspace.open(workspace.path)
    health, _ = data_health(workspace, Silent())
    (alert,) = (a for a in health_alerts(workspace, health) if a.subject == "Quarantine of messages")
    assert f"{small:,} rows (50.0%)" in alert.sentence


def test_the_report_has_what_every_stage_found(small_world: SmallWorld) -> None:
    facts = small_world.reported.facts
    assert facts.to_dict()["values"] == small_world.evaluated.record.facts.to_dict()["values"]
    assert facts.funnel == small_world.planned.funnel
    assert facts.schedule == small_world.planned.schedule
    assert facts.quality is not None
    assert facts.header.release == small_world.trained.release.id
    counts = small_world.workspace.ledger.counts()
    assert (facts.header.users, facts.header.decisions) == (counts["users"], counts["decisions"])
    assert facts.schedule is not None
    assert facts.schedule.epoch_at == format_time(small_world.end)
    assert facts.provenance is not None
    assert "homing" in dict(facts.provenance.versions)
    page = small_world.workspace.path / "report.html"
    assert facts.header.verdict.split(":")[0] in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text()) == facts.to_dict()
    assert "iframe" in small_world.reported._repr_html_()


def test_records_are_read_back_as_they_were(small_world: SmallWorld) -> None:
    kept = load_record(small_world.workspace, "plan")
    assert isinstance(kept, Facts)
    assert kept.to_dict() == small_world.planned.record.facts.to_dict()


def test_a_report_before_anything_ran_says_so(tmp_path: Path) -> None:
    made = make_report(Workspace.create(tmp_path / "new"), tmp_path / "page.html")
    assert made.facts.header.verdict == "No policy has been evaluated yet: run 'homing evaluate'."
    assert made.facts.values is None
    assert (tmp_path / "page.html").is_file()
    assert (tmp_path / "page.json").is_file()
