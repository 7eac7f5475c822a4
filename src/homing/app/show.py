"""Results for people: short tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from homing.lifecycle.evaluate import Evaluated
    from homing.lifecycle.plan import Planned
    from homing.lifecycle.train import Trained
    from homing.lifecycle.worlds.simulate import Simulated
    from homing.report.facts import (
        Alert,
        ArmMeasure,
        BudgetCurve,
        Budgets,
        Estimate,
        Facts,
        ObjectiveValues,
        PolicyValue,
        Selection,
        Trial,
        Values,
    )
    from homing.report.leaderboard import Leaderboard, Measure, Score
    from homing.schema.reference import Key
    from homing.store import Finding, ImportSummary, IngestSummary

_COLOURS = {
    "better": "green",
    "worse": "red",
    "do_not_trust": "yellow",
    "cannot_tell": "dim",
    "reference": "dim",
}
_LEVELS = {"critical": "red", "error": "red", "warning": "yellow", "note": "dim", "ok": "green"}


def table(
    console: Console,
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    left: int = 1,
    wrap: bool = False,
) -> None:
    """Print a table whose first `left` columns are text and the others numbers.

    Text is kept on one line; with `wrap` only that of the first column is. Brackets in names and rows of
    the log are no markup.
    """
    drawn = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, head in enumerate(heads):
        text = place < left
        drawn.add_column(
            Text(head),
            justify="left" if text else "right",
            overflow="fold",
            no_wrap=place == 0 or (text and not wrap),
        )
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console.print(drawn)
    console.print()


def ingested(console: Console, summary: IngestSummary) -> None:
    """Print what was read, added and set aside, and why."""
    rows = [
        (name, f"{t.read:,}", f"{t.added:,}", f"{t.repeated:,}", f"{t.quarantined:,}")
        for name, t in summary.tables.items()
    ]
    table(console, "Ingested", ("table", "read", "added", "repeated", "quarantined"), rows)
    if summary.reasons:
        reasons = [(r.table, r.reason, f"{r.count:,}", r.example) for r in summary.reasons]
        table(console, "Quarantined", ("table", "reason", "rows", "for example"), reasons, left=2)


def simulated(console: Console, made: Simulated) -> None:
    """Print what a simulated log comes to."""
    tally = made.tally
    rows = [
        ("users", f"{made.users:,}"),
        ("decisions", f"{tally.decisions:,}"),
        ("  sends", f"{tally.sends:,}"),
        ("opportunities", f"{tally.rows['opportunities']:,}"),
        ("events", f"{tally.rows['events']:,}"),
        *((f"  {kind}", f"{number:,}") for kind, number in tally.events.items()),
    ]
    table(console, f"{made.world}, {made.days} days", ("", "count"), rows)
    kept = f", {made.kept} of them written before" if made.kept else ""
    parts = f"{made.parts} part{'s' if made.parts > 1 else ''}{kept}"
    console.print(f"{parts}, in {made.seconds:.1f} s; next: 'homing ingest {made.folder} -w WORKSPACE'")


def compared(console: Console, found: Leaderboard, page: Path | None) -> None:
    """Print a leaderboard, in tables of at most 80 columns."""
    console.print(f"[bold]{found.header.verdict}[/]", highlight=False)
    console.print()
    first, *others = found.measures
    order = [
        (
            standing.policy,
            f"{standing.scores[0].mean.value:.4g}",
            _difference(standing.scores[0].difference),
            _relative(standing.scores[0]),
        )
        for standing in found.standings
    ]
    heads = ("policy", first.name, f"against {found.baseline}", "in %")
    table(console, f"{found.world}, {found.days} days, {found.people:,} people", heads, order)
    _compared(console, f"Against {found.baseline}, in %", found, others[:3], _relative)
    _compared(console, "Means a person", found, others[3:], _mean)
    if page is not None:
        console.print(f"page: {page}", soft_wrap=True)


def _compared(
    console: Console,
    title: str,
    found: Leaderboard,
    measures: Sequence[Measure],
    shown: Callable[[Score], str],
) -> None:
    rows = [
        (standing.policy, *(shown(standing.score(measure.name)) for measure in measures))
        for standing in found.standings
    ]
    table(console, title, ("policy", *(measure.name for measure in measures)), rows)


def _mean(score: Score) -> str:
    return f"{score.mean.value:.3g}"


def _difference(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.value:+.2g} [{estimate.low:.2g}, {estimate.high:.2g}]"


def _relative(score: Score) -> str:
    return "" if score.relative is None else _percent(score.relative)


def _percent(found: Estimate) -> str:
    low, high = 100 * found.low, 100 * found.high
    digits = 2 if max(abs(low), abs(high)) < 10 else 1 if high - low < 10 else 0
    return f"{100 * found.value:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def tried(console: Console, trial: Trial) -> None:
    """Print a trial's arms, and what had been promised beside what happened."""
    rows = [
        (
            measure.name,
            f"{measure.treatment.value:.4g}",
            f"{measure.control.value:.4g}",
            Text(_percent(measure.relative), _tone(measure)),
        )
        for measure in trial.measures
    ]
    title = f"Trial: {trial.days} days, {trial.people[0]:,} and {trial.people[1]:,} people"
    table(console, title, ("a person", trial.treatment, trial.control, "difference, %"), rows)
    promises = [
        (
            promise.objective,
            f"{promise.log.value:.3g}",
            *(f"{e.value:.3g} {_interval(e)}" for e in (promise.promised, promise.realised)),
        )
        for promise in trial.promises
    ]
    heads = ("per decision", "log", f"{trial.treatment}, promised", f"{trial.treatment}, happened")
    table(console, "What the log promised, and what happened", heads, promises)
    console.print(
        "[dim]The promise is of one decision in the situations of the log. It does not cover what the "
        "policy's own earlier decisions do to people, nor later weeks; the trial has both.[/]\n"
    )


def _tone(measure: ArmMeasure) -> str:
    low, high = measure.difference.low, measure.difference.high
    if measure.direction == "none" or low <= 0 <= high:
        return "dim"
    return "green" if (low > 0) == (measure.direction == "up") else "red"


def imported(console: Console, summary: ImportSummary) -> None:
    """Print what an importer made of a log."""
    table(
        console,
        f"Imported {summary.source}",
        ("choice", "decisions"),
        ((k, f"{n:,}") for k, n in summary.arms.items()),
    )
    for line in summary.assumed:
        console.print(Text.assemble(("assumed:", "dim"), f" {line}"))
    console.print()
    ingested(console, summary.ingested)


def trained(console: Console, result: Trained) -> None:
    """Print what was trained."""
    summary = result.release.model.summary
    rows = [
        (head.name, f"{head.rows:,}", f"{head.loss_before:.4f}", f"{head.loss_after:.4f}")
        for head in summary.calibration
    ]
    heads = ("objective", "calibration rows", "loss before", "after calibration")
    table(console, f"Release {result.release.id}", heads, rows)
    if summary.constant:
        names = ", ".join(summary.constant)
        text = ("never varied in training, so predicted as constant:", "yellow")
        console.print(Text.assemble(text, f" {names}"))
    speed = f"{summary.rows_per_second:,.0f} decisions a second"
    console.print(
        f"{summary.train_rows:,} decisions in {summary.seconds:.1f} s, {speed}; "
        f"temperature {result.release.temperature:.4g}\n"
    )
    facts = result.record.facts
    if facts.selection is not None:
        _selection(console, facts.selection)
    alerts(console, facts.alerts)


def _selection(console: Console, found: Selection) -> None:
    """Print what the learners' policies would gain over the log."""
    rows = [
        (
            learner.learner,
            "decides" if learner.decides else "",
            _difference(learner.versus_logging),
            Text(learner.judgement.replace("_", " "), _COLOURS[learner.judgement]),
        )
        for learner in found.learners
    ]
    heads = ("learner", "", "utility against the log", "")
    table(console, f"Learners, by {found.decisions:,} decisions", heads, rows, left=2)


def evaluated(console: Console, result: Evaluated, estimators: bool = False) -> None:
    """Print what policies are worth, objective by objective; with `estimators`, what each of them says."""
    for objective in result.values.objectives:
        _objective(console, objective, result.values.logging, estimators)
    _segments(console, result.values)
    for fact in result.record.facts.truth or ():
        told = ", ".join(f"{e.name} {e.estimate.value:.4g} {_interval(e.estimate)}" for e in fact.estimators)
        console.print(
            f"{fact.policy} from the log of {fact.log}: {told}; its own mean "
            f"{fact.truth.value:.4g} {_interval(fact.truth)}",
            markup=False,
        )
    alerts(console, result.record.facts.alerts)


def log_values(console: Console, found: ObjectiveValues, *, estimators: bool) -> None:
    """Print what policies are worth by a log without a workspace, and why not to trust some of it."""
    _objective(console, found, found.policies[0].policy, estimators)
    for policy in found.policies:
        if policy.judgement == "do_not_trust":
            console.print(Text(f"{policy.policy}: {policy.reason}.", _COLOURS[policy.judgement]))


def _objective(console: Console, objective: ObjectiveValues, logging: str, estimators: bool) -> None:
    rows = []
    for policy in objective.policies:
        verdict = Text(policy.judgement.replace("_", " "), _COLOURS[policy.judgement])
        gap = policy.versus_logging
        size = "" if policy.policy == logging else f"{policy.effective_size:,.0f}"
        value = f"{policy.value.value:.3g}"
        versus = "" if gap is None else f"{gap.value:+.2g} [{gap.low:.2g}, {gap.high:.2g}]"
        rows.append((policy.policy, verdict, value, versus, size, _to_tell(policy)))
    heads = ("policy", "verdict", "value", "difference from log", "effective n", "more to tell")
    table(console, f"{objective.objective} ({objective.meaning})", heads, rows, left=2)
    if estimators:
        _estimators(console, objective)


def _to_tell(policy: PolicyValue) -> str:
    """Return how many more decisions it would take to tell, or that no number would."""
    from homing.report.numbers import compact

    if policy.judgement != "cannot_tell":
        return ""
    return "no log" if policy.more_decisions is None else compact(policy.more_decisions)


def _estimators(console: Console, objective: ObjectiveValues) -> None:
    rows = [
        (policy.policy, told.name, f"{told.estimate.value:.3g} {_interval(told.estimate)}", weight)
        for policy in objective.policies
        for told in policy.estimators
        for weight in [f"{policy.max_weight:,.3g}"]
    ]
    heads = ("policy", "estimator", "value", "largest weight")
    table(console, f"{objective.objective}, by estimator", heads, rows, left=2)


def _segments(console: Console, values: Values) -> None:
    told = [s for s in values.segments if s.judgement in ("better", "worse")]
    if told:
        rows = [
            (
                f"{s.column}: {s.segment}",
                Text(s.judgement, _COLOURS[s.judgement]),
                f"{s.gain.value:+.2g} {_interval(s.gain)}",
                f"{s.share:.0%}",
            )
            for s in told
        ]
        heads = ("segment", "learned is", "difference from log", "decisions")
        table(
            console, f"Where it differs, {len(told)} of {len(values.segments)} segments", heads, rows, left=2
        )
    if values.gate is not None:
        may = "may" if values.gate.allowed else "may not"
        style = "green" if values.gate.allowed else "yellow"
        console.print(Text(f"The learned policy {may} go to a test on users.", style))
        for reason in values.gate.reasons:
            console.print(Text(f"  {reason}", "dim"))


def planned(console: Console, result: Planned) -> None:
    """Print what a plan came to."""
    funnel = result.funnel
    rows = [
        ("opportunities", f"{funnel.opportunities:,}"),
        ("candidates", f"{funnel.candidates:,}"),
        *((f"  removed by {item.name}", f"-{item.count:,}") for item in funnel.removed),
        ("eligible", f"{funnel.eligible:,}"),
        ("users", f"{funnel.users:,}"),
        *((f"  {item.name}", f"{item.count:,}") for item in result.schedule.channels),
        ("  hold", f"{funnel.holds:,}"),
    ]
    table(console, f"Plan {result.run_id}", ("", "count"), rows)
    if result.budgets is not None:
        budgets(console, result.budgets)
    alerts(console, result.record.facts.alerts)
    if result.added < funnel.users:
        console.print(f"{funnel.users - result.added:,} of these decisions were in the ledger already\n")


def budgets(console: Console, found: Budgets) -> None:
    """Print how each budget was kept, and what it costs."""
    names = [use.budget for use in found.uses]
    rows = [
        (
            use.budget if names.count(use.budget) == 1 else f"{use.budget} {use.starts_at[5:16]}",
            use.counts,
            "" if isnan(use.least) else f"{use.least:,.6g}",
            "" if isnan(use.most) else f"{use.most:,.6g}",
            f"{use.before:,.5g}",
            f"{use.wanted:,.5g}",
            Text(f"{use.drawn:,.5g}", "yellow" if use.relaxed_by else ""),
            f"{use.price:.3g}",
            f"{use.lost:.3g}",
        )
        for use in found.uses
    ]
    heads = ("budget", "counts", "min", "max", "before", "wanted", "drawn", "price", "lost")
    table(console, "Budgets", heads, rows, left=2)
    if found.by_account:
        accounts(console, found)
    widened = [(f"{use.budget} of {use.account}", use.relaxed_by) for use in found.by_account]
    for name, amount in widened or [(use.budget, use.relaxed_by) for use in found.uses]:
        if amount:
            text = f"{name} was widened by {amount:.4g}: it cannot be kept with the others"
            console.print(Text(text, "yellow"))
    console.print(
        f"expected utility {found.value:.6g}, at most {found.bound:.6g} within these budgets; largest excess "
        f"{found.violation:.1%}; prices in {found.passes} passes and {found.seconds:.2f} s\n"
    )


def accounts(console: Console, found: Budgets) -> None:
    """Print what each arm's users may use of each budget, and what they do use."""
    several = len({(use.budget, use.starts_at) for use in found.by_account}) > len(
        {use.budget for use in found.by_account}
    )
    rows = [
        (
            f"{use.budget} {use.starts_at[5:16]}" if several else use.budget,
            use.account,
            f"{use.users:,}",
            "" if isnan(use.least) else f"{use.least:,.6g}",
            "" if isnan(use.most) else f"{use.most:,.6g}",
            f"{use.before:,.5g}",
            f"{use.expected:,.5g}",
            Text(f"{use.drawn:,.5g}", "yellow" if use.relaxed_by else ""),
            "" if isnan(use.price) else f"{use.price:.3g}",
        )
        for use in found.by_account
    ]
    heads = ("budget", "users in", "users", "min", "max", "before", "expected", "drawn", "price")
    table(console, "Parts of budgets, for this plan", heads, rows, left=2)


def curve(console: Console, found: BudgetCurve) -> None:
    """Print what a plan would be worth by the size of a budget."""
    rows = [
        (
            f"{point.size:,.6g}" + ("" if point.met else " (cannot be kept)"),
            f"{point.factor:g}",
            f"{point.objective:.6g}",
            f"{point.first_order:.6g}",
            f"{point.value:.6g}",
            f"{point.used:,.5g}",
            f"{point.price:.3g}",
        )
        for point in found.points
    ]
    heads = (found.bound, "times", "objective", "by price", "utility", "used", "price")
    table(console, f"Budget {found.budget}, {found.counts}, {found.users:,} users", heads, rows)


def costs(console: Console, facts: Facts) -> None:
    """Print time and memory by stage."""
    rows = [(s.name, f"{s.seconds:.2f}", f"{s.peak_bytes / 2**20:,.0f}") for s in facts.stages or ()]
    table(console, "Cost", ("stage", "seconds", "peak MiB"), rows)


def alerts(console: Console, found: Sequence[Alert]) -> None:
    """Print warnings, with what to do about each."""
    for alert in found:
        console.print(Text(f"{alert.level}: {alert.subject}. ", _LEVELS[alert.level]) + Text(alert.sentence))
        if alert.next_step:
            console.print(Text(f"  {alert.next_step}", "dim"))


def findings(console: Console, found: Sequence[Finding]) -> None:
    """Print what the doctor found."""
    rows = [
        (Text(f.level, _LEVELS[f.level]), f.subject, f.text + (f"; {f.next_step}" if f.next_step else ""))
        for f in found
    ]
    table(console, "Workspace", ("", "what", "finding"), rows, left=3, wrap=True)


def config_keys(console: Console, keys: Sequence[Key], of: str = "homing.toml") -> None:
    """Print each key's meaning, default and current value."""
    rows = []
    for key in keys:
        current = key.current or key.default
        rows.append(
            (key.name, Text(current, "" if current == key.default else "bold"), key.default, key.meaning)
        )
    table(console, of, ("key", "value", "default", "meaning"), rows, left=4, wrap=True)


def _interval(estimate: Estimate) -> str:
    return f"[{estimate.low:.3g}, {estimate.high:.3g}]"
