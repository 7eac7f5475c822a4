"""What policies are worth: forests and tables by objective, uplift curves, estimates beside the truth."""

from __future__ import annotations

from math import isfinite, nan
from typing import Final

from homing.report.canvas import ACCENT, BAD, GOOD, INK, MUTED
from homing.report.facts import Estimate, Judgement, ObjectiveValues, PolicyValue, Truth, Uplift, Values
from homing.report.numbers import confidence, count, interval, plain
from homing.report.plots.forest import Row, forest
from homing.report.plots.lines import Line, lines
from homing.report.view import (
    JUDGEMENTS,
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    count_cell,
    difference_cell,
    interval_cell,
    judgement_cell,
    number_cell,
    picture,
    slug,
)

_MOST_OPEN = 16  # policies; a longer table is folded
_COLOURS: Final[dict[Judgement, str]] = {
    "reference": INK,
    "better": GOOD,
    "worse": BAD,
    "cannot_tell": MUTED,
    "do_not_trust": MUTED,
}


def values_section(values: Values) -> Section:
    """Every policy on the utility and on each objective, with intervals, against the logging policy."""
    lead = (
        f"Worth per decision, estimated by {values.headline} from {count(values.decisions)} decisions of "
        f"the log, with {confidence(values.confidence)} intervals. The dashed line is the policy that "
        f"wrote the log ({values.logging})."
    )
    blocks: list[Block] = []
    for place, objective in enumerate(values.objectives):
        blocks += _objective(values, objective, place)
    if values.segments:
        blocks.append(_segments(values))
    if values.gate is not None:
        may = "may" if values.gate.allowed else "may not"
        blocks.append(
            Text(f"The learned policy {may} go to a test on users. {' '.join(values.gate.reasons)}")
        )
    return Section("values", "Policies", lead, tuple(blocks))


def _objective(values: Values, objective: ObjectiveValues, place: int) -> list[Block]:
    reference = next((row.value for row in objective.policies if row.policy == values.logging), None)
    rows = [
        Row(
            row.policy,
            row.value,
            interval(row.value, objective.unit),
            _COLOURS[row.judgement],
            word=JUDGEMENTS[row.judgement][0],
            strong=row.learned,
            trusted=row.judgement != "do_not_trust",
        )
        for row in objective.policies
    ]
    notes = []
    if objective.direction == "down":
        notes.append("Less is better.")
    if any(not row.trusted for row in rows):
        notes.append("Hollow: do not trust, the log hardly covers this policy.")
    if objective.guardrail is not None:
        notes.append(f"Dotted: the guardrail, {plain(objective.guardrail, objective.unit)}.")
    title = objective.objective[:1].upper() + objective.objective[1:]
    title += f": {objective.meaning}" if objective.meaning else ""
    name = f"values-{place}-{slug([objective.objective])}"
    figure = picture(
        name,
        title,
        lambda width: forest(
            rows,
            width,
            objective.unit,
            reference=None if reference is None else reference.value,
            guardrail=objective.guardrail,
        ),
        description="; ".join(f"{row.label} {row.text}" for row in rows),
        note=" ".join(notes),
    )
    return [
        figure,
        _comparison(objective, folded=place > 0 or len(rows) > _MOST_OPEN),
        _estimators(objective),
    ]


def _comparison(objective: ObjectiveValues, *, folded: bool) -> Table:
    to_constant = any(row.versus_constant is not None for row in objective.policies)
    columns = ["Policy", "Verdict", "Against logging"]
    columns += ["Against best constant"] if to_constant else []
    rows = []
    for row in objective.policies:
        told = row.judgement in ("better", "worse")  # by the next column
        cells = [
            Cell(row.policy),
            judgement_cell(row.judgement, "" if told else row.reason),
            difference_cell(row.versus_logging, objective.unit),
        ]
        cells += [difference_cell(row.versus_constant, objective.unit)] if to_constant else []
        rows.append((*cells, interval_cell(row.value, objective.unit)))
    learned = frozenset(place for place, row in enumerate(objective.policies) if row.learned)
    caption = f"Differences and verdicts: {objective.objective}"
    return Table((*columns, f"Worth ({_per(objective)})"), tuple(rows), caption, folded, learned)


def _estimators(objective: ObjectiveValues) -> Table:
    names = tuple(dict.fromkeys(estimator.name for row in objective.policies for estimator in row.estimators))
    rows = []
    for row in objective.policies:
        by_name = {estimator.name: estimator.estimate for estimator in row.estimators}
        rows.append(
            (
                Cell(row.policy),
                *(interval_cell(by_name.get(name), objective.unit) for name in names),
                *_overlap(row),
            )
        )
    columns = ("Policy", *names, "Effective size", "Share of log", "Greatest weight")
    return Table(columns, tuple(rows), caption=f"Estimators and overlap: {objective.objective}", folded=True)


def _overlap(row: PolicyValue) -> tuple[Cell, ...]:
    return (
        count_cell(row.effective_size),
        number_cell(row.effective_share, "rate"),
        number_cell(row.max_weight),
    )


def _segments(values: Values) -> Table:
    unit = values.objectives[0].unit
    rows = tuple(
        (
            Cell(row.segment, detail=row.column),
            judgement_cell(row.judgement, ""),
            difference_cell(row.gain, unit),
            number_cell(row.share, "rate"),
        )
        for row in values.segments
    )
    caption = (
        f"Where the learned policy differs from the log, {values.objectives[0].objective}: intervals hold "
        "for all segments at once"
    )
    return Table(("Segment", "Verdict", "Against logging", "Share of decisions"), rows, caption, folded=True)


def _per(objective: ObjectiveValues) -> str:
    return "share of decisions" if objective.unit == "rate" else "per decision"


def uplift_section(curves: tuple[Uplift, ...]) -> Section:
    """Who should be treated first."""
    lead = (
        "Outcomes gained when only the best users, as the model ranks them, are treated. A curve above the "
        "dashed line means that the model knows whom a message helps."
    )
    figures = tuple(_uplift(curve, place) for place, curve in enumerate(curves))
    tables = tuple(_uplift_table(curve) for curve in curves)
    return Section("uplift", "Uplift", lead, (*figures, *tables))


def _uplift(curve: Uplift, place: int) -> Picture:
    last = curve.gain[-1] if curve.gain else nan
    drawn = [
        Line("random", (0.0, 1.0), (0.0, last), MUTED, dashed=True),
        Line("model", curve.share, curve.gain, ACCENT, curve.low, curve.high),
    ]
    x_ticks = [(share, confidence(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    area = f"Area over random: {interval(curve.area, curve.unit)}" if curve.area is not None else ""
    return picture(
        f"uplift-{place}-{slug([curve.objective])}",
        f"{curve.objective}: {curve.treatment} against {curve.control}",
        lambda width: lines(
            drawn,
            width,
            round(width * 0.72),
            kind=curve.unit,
            x_ticks=x_ticks,
            x_label="share of users treated",
            y_label="gain per user",
        ),
        description=f"Qini curve of {curve.objective}. {area}",
        half=True,
        note=area,
    )


def _uplift_table(curve: Uplift) -> Table:
    steps = range(0, len(curve.share), max(1, len(curve.share) // 20))
    return Table(
        ("Users treated", "Gain per user", "Low", "High"),
        tuple(
            (
                number_cell(curve.share[step], "rate"),
                number_cell(curve.gain[step], curve.unit),
                number_cell(curve.low[step] if curve.low else nan, curve.unit),
                number_cell(curve.high[step] if curve.high else nan, curve.unit),
            )
            for step in steps
        ),
        caption=f"Numbers: {curve.objective}, {curve.treatment} against {curve.control}",
        folded=True,
    )


def truth_section(rows: tuple[Truth, ...]) -> Section:
    """Estimates from one log beside what the policy did in its own."""
    lead = (
        "Each policy’s worth as estimated from another policy’s log, beside what it earned in its own. The "
        "shaded band is the truth with its interval; an estimator is right where its line meets the band."
    )
    figures = tuple(_truth(row, place) for place, row in enumerate(rows))
    table = Table(
        ("Policy", "Estimator", "Estimate", "Own log", "Effective size", "Verdict"),
        tuple(
            (
                Cell(row.policy, detail=f"{row.objective}, from {row.log}"),
                Cell(estimator.name),
                interval_cell(estimator.estimate, row.unit),
                interval_cell(row.truth, row.unit),
                count_cell(row.effective_size),
                judgement_cell(row.judgement, row.reason),
            )
            for row in rows
            for estimator in row.estimators
        ),
        caption="Numbers",
        folded=True,
    )
    return Section("truth", "Estimates beside the truth", lead, (*figures, table))


def _truth(row: Truth, place: int) -> Picture:
    estimates = [
        Row(
            estimator.name,
            estimator.estimate,
            interval(estimator.estimate, row.unit),
            _agreement(row.truth, estimator.estimate),
        )
        for estimator in row.estimators
    ]
    estimates.append(Row("own log", row.truth, interval(row.truth, row.unit), INK, strong=True))
    note = f"Effective size {count(row.effective_size)} of {count(row.decisions)} decisions. {row.reason}"
    return picture(
        f"truth-{place}",
        f"{row.policy} from {row.log}: {row.objective}",
        lambda width: forest(
            estimates,
            width,
            row.unit,
            reference=row.truth.value,
            band=(row.truth.low, row.truth.high),
        ),
        half=True,
        description="; ".join(f"{estimate.label} {estimate.text}" for estimate in estimates),
        note=note.strip(),
    )


def _agreement(truth: Estimate, estimate: Estimate) -> str:
    """Return the colour of an estimate: whether its interval meets that of the truth."""
    if not all(map(isfinite, (truth.low, truth.high, estimate.low, estimate.high))):
        return MUTED
    return GOOD if estimate.low <= truth.high and estimate.high >= truth.low else BAD
