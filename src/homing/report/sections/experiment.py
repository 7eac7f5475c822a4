"""An experiment: what the rule says, whether it may be read, every metric by arm, and what was promised."""

from __future__ import annotations

from math import isfinite
from typing import Final

from homing.report.canvas import BAD, GOOD, MUTED
from homing.report.experiment import ArmVerdict, Finding, Readout, Scored, Verdict
from homing.report.numbers import (
    change,
    compact,
    confidence,
    count,
    day,
    moment,
    percent,
    span,
    split,
)
from homing.report.plots.forest import Row, forest
from homing.report.sections.checks import checks_table
from homing.report.sections.segments import crossings_section, segments_section
from homing.report.sections.trial import COVERS
from homing.report.sections.worth import worth_section
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    Tile,
    count_cell,
    difference_cell,
    interval_cell,
    number_cell,
    picture,
    slug,
)

#: How verdicts and findings are written, and the tone of their chips.
VERDICTS: Final[dict[Verdict, tuple[str, str]]] = {
    "ship": ("ship", "good"),
    "do_not_ship": ("do not ship", "neutral"),
    "stop": ("stop", "bad"),
    "go_on": ("go on", "neutral"),
    "cannot_be_read": ("cannot be read", "doubt"),
}
FINDINGS: Final[dict[Finding, tuple[str, str]]] = {
    "better": ("better", "good"),
    "non_inferior": ("within its margin", "good"),
    "worse": ("worse", "bad"),
    "cannot_tell": ("cannot tell", "neutral"),
    "unknown": ("not known", "doubt"),
}
_OTHER: Final = "By the other rule, which does not decide here"
_COLOURS: Final[dict[Finding, str]] = {"better": GOOD, "non_inferior": GOOD, "worse": BAD}


def experiment_tiles(facts: Readout) -> tuple[Tile, ...]:
    """Return what the experiment is of."""
    entered = sum(arm.entered for arm in facts.arms)
    assigned = sum(arm.assigned for arm in facts.arms)
    note = f"of {compact(assigned)} with a decision" if facts.exposure == "triggered" else ""
    passed = facts.share * facts.days
    return (
        Tile("Status", facts.status),
        Tile("Days", f"{passed:.3g} of {facts.days}", span(facts.starts_at, facts.ends_at)),
        Tile("Users who count", compact(entered), note),
        Tile("Arms", count(len(facts.arms)), f"against {facts.control}"),
    )


def experiment_sections(facts: Readout) -> tuple[Section, ...]:
    """Return the sections: the rules' answers, quality, the scorecard, its parts, and how to read them."""
    sections = [
        _decision(facts),
        _quality(facts),
        _scorecard(facts),
        worth_section(facts),
        segments_section(facts),
        crossings_section(facts),
        _promises(facts),
        _reading(facts),
    ]
    return tuple(section for section in sections if section is not None)


def _decision(facts: Readout) -> Section:
    arms = tuple(
        (
            Cell(arm.name, detail="control" if arm.name == facts.control else ""),
            Cell(arm.what),
            number_cell(arm.share, "rate"),
            count_cell(arm.assigned),
            count_cell(arm.entered),
        )
        for arm in facts.arms
    )
    columns = ("Arm", "Who decides", "Share", "Users with a decision", "Users who count")
    blocks: list[Block] = [_verdicts(facts.verdicts)]
    if facts.other_verdicts:
        blocks += [_verdicts(facts.other_verdicts, _OTHER), Text(facts.other_rule)]
    blocks.append(Table(columns, arms, caption="Arms", strong=_control_row(facts)))
    return Section("decision", "Decision", "", tuple(blocks))


def _verdicts(verdicts: tuple[ArmVerdict, ...], caption: str = "") -> Table:
    rows = tuple(
        (Cell(each.arm), Cell(VERDICTS[each.verdict][0], chip=VERDICTS[each.verdict][1]), Cell(each.sentence))
        for each in verdicts
    )
    return Table(("Arm", "Decision", "Why"), rows, caption=caption)


def _quality(facts: Readout) -> Section:
    lead = (
        "Where one of the first checks fails, arms differ by more than what decides in them, and nothing "
        "below may be read. Cautions say that an effect is not the same at all times."
    )
    return Section("quality", "Quality", lead, (checks_table(facts.checks),))


def _scorecard(facts: Readout) -> Section:
    lead = (
        f"Each arm against `{facts.control}`, from {moment(facts.starts_at)} until {moment(facts.until)}; "
        f"{facts.looks}. Intervals hold for this and for several metrics together, so each is wider than it "
        "would be alone."
    )
    blocks: list[Block] = []
    for verdict in facts.verdicts:
        scores = [score for score in facts.scores if score.arm == verdict.arm]
        blocks += [_figure(facts, verdict.arm, scores), _numbers(facts, verdict.arm, scores)]
    return Section("scorecard", "Scorecard", lead, tuple(blocks))


def _figure(facts: Readout, arm: str, scores: list[Scored]) -> Picture:
    rows = [
        Row(
            score.metric,
            score.relative,
            change(score.relative),
            _COLOURS.get(score.finding, MUTED),
            word=FINDINGS[score.finding][0] if score.direction != "none" else "",
            strong=score.role == "success",
            expected=_expected(score) if facts.scale == "relative" else None,
        )
        for score in scores
        if isfinite(score.relative.value)
    ]
    notes = ["Bold: success metrics."]
    if any(row.expected is not None for row in rows):
        notes.append("The mark: the least effect worth finding, or the margin of a guardrail.")
    return picture(
        f"scorecard-{slug([arm])}",
        f"{arm} against {facts.control}, relative difference",
        lambda width: forest(rows, width, "change", reference=0.0),
        description="; ".join(f"{row.label} {row.text}" for row in rows),
        note=" ".join(notes),
    )


def _expected(score: Scored) -> float | None:
    """Return where the threshold of a metric lies on the axis; None where it has none."""
    if not isfinite(score.threshold):
        return None
    up = (score.direction == "up") == (score.role == "success")
    return score.threshold if up else -score.threshold


def _numbers(facts: Readout, arm: str, scores: list[Scored]) -> Table:
    rows = tuple(
        (
            Cell(score.metric, detail=f"{score.meaning}; {_made_of(score)}"),
            Cell(FINDINGS[score.finding][0], chip=FINDINGS[score.finding][1], detail=_role(score))
            if score.direction != "none"
            else Cell("", detail=_role(score)),
            number_cell(score.level, score.unit),
            number_cell(score.control, score.unit),
            difference_cell(score.absolute, score.unit),
            _relative(score),
            count_cell(score.users),
        )
        for score in scores
    )
    columns = ("Metric", "Finding", arm, facts.control, "Difference", "Relative", "Users")
    return Table(columns, rows, caption=f"Every metric: {arm} against {facts.control}")


def _role(score: Scored) -> str:
    parts = [score.role, "less is better" if score.direction == "down" else ""]
    return ", ".join(part for part in parts if part)


def _relative(score: Scored) -> Cell:
    number, bracket = split(change(score.relative))
    return Cell(number, score.relative.value if isfinite(score.relative.value) else None, detail=bracket)


def _made_of(score: Scored) -> str:
    """Return the confidence of the intervals, and how much noise was taken away."""
    less = f", {percent(score.noise_taken, 2)} less variance" if score.noise_taken >= 0.01 else ""
    return f"{confidence(round(score.confidence, 4))} interval{less}"


def _promises(facts: Readout) -> Section | None:
    if not facts.promises:
        return None
    lead = (
        "Where the newest evaluation is of an arm's policy: what a log had promised per decision, beside "
        "what the decisions of the arm brought. Intervals are 95 %."
    )
    rows = tuple(
        (
            Cell(each.promise.objective, detail=each.promise.meaning),
            Cell(each.arm),
            interval_cell(each.promise.log, each.promise.unit),
            interval_cell(each.promise.promised, each.promise.unit),
            interval_cell(each.promise.realised, each.promise.unit),
            interval_cell(each.promise.control, each.promise.unit),
        )
        for each in facts.promises
    )
    columns = ("Objective", "Arm", "The log", "Promised", "Realised", f"Realised in {facts.control}")
    return Section("promises", "Promise and outcome", lead, (Table(columns, rows), Text(COVERS)))


def _reading(facts: Readout) -> Section:
    entered = {
        "triggered": "Users count from the first decision on in which the arms would have chosen "
        "differently. Until then all arms chose alike for them, so who counts does not depend on the arm. "
        "Effects are on these users; on all users they are smaller in proportion.",
        "assigned": "Users count from their first decision in the experiment on, whether arms differ or not.",
    }
    texts = [
        entered.get(facts.exposure, ""),
        "Differences are adjusted by what each user had done before entering; levels are as they are. A "
        "metric with a window is over users who have been there long enough to be counted.",
        f"Hypothesis: {facts.hypothesis}" if facts.hypothesis else "",
        f"Designed to run from {day(facts.starts_at)} for {facts.days} days; {facts.looks}.",
    ]
    return Section("reading", "How to read this", "", tuple(Text(text) for text in texts if text))


def _control_row(facts: Readout) -> frozenset[int]:
    return frozenset(place for place, arm in enumerate(facts.arms) if arm.name == facts.control)
