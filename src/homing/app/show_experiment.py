"""Experiments for people: short tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from homing.app.show import table
from homing.report.words import ANSWERS, crossings_in_words, segments_in_words

if TYPE_CHECKING:
    from homing.lifecycle.experiment.designing import Designed
    from homing.lifecycle.experiment.weighing import PlannedWorth
    from homing.report.experiment import CheckFacts, Readout, Scored
    from homing.report.facts import Estimate
    from homing.schema.experiment import Design
    from homing.schema.experiment_record import Record

_COLOURS = {
    "ship": "green",
    "stop": "red",
    "cannot_be_read": "yellow",
    "better": "green",
    "non_inferior": "green",
    "worse": "red",
    "unknown": "yellow",
}


def designed(console: Console, made: Designed) -> None:
    """Print what an experiment takes."""
    console.print(made.rule, markup=False, highlight=False)
    console.print()
    needs = [
        (
            need.metric,
            need.role,
            f"{need.level:.4g}",
            f"{need.threshold:g}",
            f"{need.noise_taken:.0%}",
            f"{need.users:,}",
            f"{need.power:.0%}",
        )
        for need in made.needs
    ]
    heads = ("metric", "role", "level", "effect or margin", "less variance", "users needed", "power")
    table(console, f"{made.name}, {made.days} days", heads, needs, left=2)
    costs = [(c.arm, f"{c.users:,}", f"{c.sends:,.0f}", f"{c.opt_outs:,.1f}") for c in made.costs]
    table(console, "Cost, as in the past", ("arm", "users", "sends", "opt-outs"), costs)
    if made.budgets:
        parts = [
            (
                part.budget,
                part.arm,
                f"{part.counts} in {part.per}",
                *("" if bound is None else f"{bound:,.4g}" for bound in (part.least, part.most)),
            )
            for part in made.budgets
        ]
        table(console, "Parts of budgets", ("budget", "arm", "counts", "min", "max"), parts, left=3)
    enough = "never" if made.days_needed is None else f"after {made.days_needed:,} days"
    lines = [
        f"{made.available:,} users: {made.users_now:,} at once and {made.users_a_day:,.1f} a day; "
        f"{made.needed:,} are needed, there {enough}.",
        f"The whole rule ships with probability {made.power:.0%} if every effect is as planned.",
    ]
    if made.extra_opt_outs:
        lines.append(f"Margins accept up to {made.extra_opt_outs:,.1f} more opt-outs.")
    for line in lines:
        console.print(line, markup=False, highlight=False)
    console.print()
    _planned_looks(console, made)
    if made.worth is not None:
        _planned_worth(console, made.worth)
    for warning in made.warnings:
        console.print("warning:", warning, style="yellow", markup=False, highlight=False)


def _planned_looks(console: Console, made: Designed) -> None:
    looks = made.looks
    rows = [
        (look.at, f"{look.share:.0%}", f"{look.alpha:.2g}", f"{look.stops:.0%}")
        for look in looks.looks
    ]  # fmt: skip
    heads = ("at", "of the days", "alpha of this look", "seen here first")
    table(console, "Looks at a success metric, if it starts now", heads, rows)
    text = "One look, at the end."
    if looks.inflation > 1 + 1e-6:
        text = (
            f"Looks take {looks.inflation - 1:.1%} more users than a single one at the end. With those, the "
            f"effect is seen after {looks.expected_days:.3g} of {made.days} days on average if it is as "
            f"planned; without any it takes {looks.expected_days_without_effect:.3g}."
        )
    console.print(text, markup=False, highlight=False)


def _planned_worth(console: Console, worth: PlannedWorth) -> None:
    from homing.lifecycle.experiment.weighing import FACTORS

    heads = ("metric", *(f"x {factor:g}" for factor in FACTORS))
    rows = [(name, *(f"{power:.0%}" for power in powers)) for name, powers in worth.by_weight.items()]
    console.print()
    console.print(
        f"{'Decides' if worth.decides else 'Beside it'}: {worth.rule}", markup=False, highlight=False
    )
    table(console, "Power, had a metric another worth", heads, rows)
    users = "no number of users is enough" if worth.users is None else f"{worth.users:,} users are needed"
    console.print(
        f"If every effect is as planned, the sum is {worth.expected:+.3g} per user, with a standard error of "
        f"{worth.std_error:.2g}: it ships with probability {worth.power:.0%}; {users} in an arm and the "
        "control.",
        markup=False,
        highlight=False,
    )


def analysed(console: Console, found: Readout, page: Path) -> None:
    """Print the decision, the quality checks and the scorecard."""
    for verdict in found.verdicts:
        style = f"bold {_COLOURS.get(verdict.verdict, '')}".strip()
        console.print(Text(verdict.sentence, style), highlight=False)
    for verdict in found.other_verdicts:
        console.print(f"By the other rule: {verdict.sentence}", style="dim", markup=False, highlight=False)
    console.print()
    checks_table(console, found.checks)
    for verdict in found.verdicts:
        rows = [_row(score) for score in found.scores if score.arm == verdict.arm]
        heads = ("metric", "finding", verdict.arm, found.control, "difference", "in %")
        title = f"{verdict.arm} against {found.control}, day {found.share * found.days:.3g} of {found.days}"
        table(console, title, heads, rows, left=2)
    if found.worth:
        _worth(console, found)
    for sentence in (segments_in_words(found), crossings_in_words(found)):
        if sentence:
            console.print(sentence, markup=False, highlight=False)
    if found.promises:
        promises = [
            (
                each.promise.objective,
                each.arm,
                estimate(each.promise.promised),
                estimate(each.promise.realised),
                estimate(each.promise.control),
            )
            for each in found.promises
        ]
        columns = ("objective", "arm", "promised by the log", "realised", f"in {found.control}")
        table(console, "Promise and outcome, per decision", columns, promises, left=2)
    for alert in found.alerts:
        style = "yellow" if alert.level == "warning" else "dim"
        console.print(f"{alert.level}:", alert.sentence, style=style, markup=False, highlight=False)
    console.print(f"page: {page}", markup=False, soft_wrap=True)


def _worth(console: Console, found: Readout) -> None:
    """Print each arm's sum of differences, and the weights at which the answer turns."""
    for each in found.worth:
        rows = [
            (
                curve.metric,
                f"{curve.weight:g}",
                ", ".join(
                    f"{turn.weight:.3g}: {ANSWERS[turn.below]} -> {ANSWERS[turn.above]}"
                    for turn in curve.turns
                )
                or "never",
            )
            for curve in each.curves
        ]
        worth = f"{each.arm} is worth {estimate(each.worth, sign='+')} per user: {ANSWERS[each.answer]}"
        console.print(worth, markup=False, highlight=False)
        table(console, "If one weight was another", ("metric", "worth of one", "turns at"), rows)


def listed(console: Console, found: Sequence[tuple[str, Record | None, str]]) -> None:
    """Print all experiments."""
    from homing.schema.times import format_time

    rows = [
        (
            name,
            status,
            "" if record is None else format_time(record.started_at),
            "" if record is None else format_time(record.ends_at),
            "" if record is None else f"{record.history[-1].what}",
        )
        for name, record, status in found
    ]
    table(console, "Experiments", ("name", "status", "start", "end", "last change"), rows, left=5)


def shown(console: Console, name: str, design: Design, record: Record | None, status: str) -> None:
    """Print an experiment as it was designed, and what became of it."""
    from homing.lifecycle.experiment.analyse import meaning, what
    from homing.lifecycle.experiment.rule import in_words
    from homing.lifecycle.experiment.weighing import in_words as worth_in_words
    from homing.schema.times import format_time

    console.print(Text(f"{name}: {status}", "bold"))
    if design.hypothesis:
        console.print(design.hypothesis, markup=False, highlight=False)
    rule = worth_in_words(design) if design.rule == "worth" else in_words(design)
    console.print(rule, markup=False, highlight=False)
    console.print()
    arms = [(arm, what(spec), f"{spec.share:.1%}") for arm, spec in design.arms.items()]
    table(console, "Arms", ("arm", "who decides", "share"), arms, left=2)
    metrics = [
        (
            each,
            metric.role,
            meaning(metric),
            metric.direction,
            f"{metric.effect or metric.margin:g}" if metric.effect or metric.margin else "",
        )
        for each, metric in design.metrics.items()
    ]
    heads = ("metric", "role", "meaning", "better", "effect or margin")
    table(console, "Metrics", heads, metrics, left=4)
    if record is not None:
        history = [
            (
                format_time(change.at),
                change.what,
                "" if change.traffic is None else f"traffic {change.traffic:g}",
                change.reason,
            )
            for change in record.history
        ]
        table(console, "History", ("at", "what", "", ""), history, left=4)


def checks_table(console: Console, checks: Sequence[CheckFacts]) -> None:
    """Print the quality checks."""
    rows = [
        (
            check.name if check.blocking else f"{check.name} (caution)",
            Text("yes" if check.passed else "NO", "green" if check.passed else "red"),
            f"{check.p_value:.2g}" if isfinite(check.p_value) else "-",
            check.detail,
        )
        for check in checks
    ]
    table(console, "Quality", ("check", "passed", "p", "what was seen"), rows, left=4, wrap=True)


def _row(score: Scored) -> tuple[object, ...]:
    finding = Text("" if score.direction == "none" else score.finding.replace("_", " "))
    finding.stylize(_COLOURS.get(score.finding, "dim"))
    relative = "-"
    if isfinite(score.relative.value):
        value, low, high = (100 * x for x in (score.relative.value, score.relative.low, score.relative.high))
        relative = f"{value:+.3g} [{low:.3g}, {high:.3g}]"
    return (
        score.metric,
        finding,
        number(score.level),
        number(score.control),
        estimate(score.absolute, sign="+"),
        relative,
    )


def number(value: float) -> str:
    """Return a number in four digits; a dash where it is not known."""
    return f"{value:.4g}" if isfinite(value) else "-"


def estimate(found: Estimate, sign: str = "") -> str:
    """Return an estimate with its interval; a dash where it is not known."""
    if not isfinite(found.value):
        return "-"
    interval = f" [{found.low:.3g}, {found.high:.3g}]" if isfinite(found.low) else ""
    return f"{found.value:{sign}.3g}{interval}"
