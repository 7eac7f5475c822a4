"""An experiment read: quality first, then every metric, then the rule.

1. Take the experiment as it was fixed at its start, and all that happened before an instant.
2. Scan decisions and events once: moments of every metric by arm, and of the time before.
3. Check whether it may be read at all.
4. Compare each arm with the control, with the alpha of this look.
5. Apply both rules, and put beside them what evaluation had promised of the same policies.
6. Ask for whom the effect is another one, and whether it depends on what else was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from typing import Final

import numpy as np

from homing.experiments import Check, Decision, difference, levels, variance_reduction
from homing.lifecycle.experiment.checks import blocking_checks, cautions, unexplained_sends
from homing.lifecycle.experiment.looking import Look, look_at
from homing.lifecycle.experiment.measuring import Layout, Measured, measure
from homing.lifecycle.experiment.promises import promises_of
from homing.lifecycle.experiment.rule import alpha_of, decision_at, finding_of, in_words, verdict_of
from homing.lifecycle.experiment.running import overlapping, status
from homing.lifecycle.experiment.segments import crossings_of, segments_of
from homing.lifecycle.experiment.splitting import arm_splitter, segment_splitters
from homing.lifecycle.experiment.weighing import in_words as worth_in_words
from homing.lifecycle.experiment.weighing import weighed_verdict, worth_at
from homing.lifecycle.replay import observed_until
from homing.report.experiment import ArmFacts, ArmVerdict, CheckFacts, Readout, Scored
from homing.report.facts import Alert, Estimate, Header, Tone
from homing.schema import InputError
from homing.schema.experiment import Arm, Design, Metric
from homing.schema.experiment_record import Change, Record
from homing.schema.times import HOUR, MISSING, format_duration, format_time
from homing.store import Cohort, Workspace, change_record, read_record, read_records

FEW: Final = 30  # users or events in an arm below which normality of a mean is a hope
_SURE = 3.0  # standard errors over 0 from which on a level can be divided by
_ORDER: Final = ("cannot_be_read", "stop", "ship", "go_on", "do_not_ship")
_TONES: dict[str, Tone] = {"ship": "good", "stop": "bad", "cannot_be_read": "bad"}


@dataclass(frozen=True)
class Analysed:
    """An experiment read at an instant."""

    record: Record
    measured: Measured
    readout: Readout


def analyse(workspace: Workspace, name: str, until: int | None = None) -> Analysed:
    """Read an experiment; the look is kept in its history.

    Args:
        workspace: with its decisions, and events after them.
        name: of the experiment.
        until: us; nothing from it on is looked at. None: all that is known, at most until its end.

    Raises:
        InputError: it was not started, nothing is known after its start, or no user has entered.
        WorkspaceError: its record is damaged.
    """
    record = read_record(workspace, name)
    if record is None:
        raise InputError(f"experiment {name!r} has not been started; 'homing experiment start {name}'")
    known = known_until(workspace)
    cutoff = min(record.ends_at, known, known if until is None else until)
    if cutoff <= record.started_at:
        raise InputError(
            f"nothing is known after {format_time(record.started_at)}, the start of {name!r}; "
            "plan epochs and ingest the events that follow"
        )
    look, design = look_at(record, cutoff), record.design
    cohort, beside = Cohort.of(record, cutoff), overlapping(record, read_records(workspace))
    beside = tuple(other for other in beside if other.started_at < cutoff)
    splitters = [arm_splitter(other, cutoff) for other in beside]
    measured = measure(workspace, design, cohort, [*segment_splitters(workspace, design), *splitters])
    last = min(workspace.ledger.decided_until(), cutoff - 1)
    checks = blocking_checks(workspace, record, measured, last)
    soft = cautions(record, measured)
    decisions = {arm: decision_at(design, measured, look, arm, checks) for arm in design.treatments}
    over = record.stopped_at is not None and cutoff >= record.ends_at
    verdicts = tuple(verdict_of(each, look, record.planned_end, over) for each in decisions.values())
    worth = tuple(worth_at(design, measured, look, arm) for arm in decisions) if design.worth else ()
    weighed = tuple(weighed_verdict(each, checks, look, record.planned_end, over) for each in worth)
    rules = [(in_words(design), verdicts), (worth_in_words(design) if worth else "", weighed)]
    if design.rule == "worth":
        rules.reverse()
    (rule, verdicts), (other_rule, other_verdicts) = rules
    layout = Layout(design, cohort)
    scores = tuple(
        _scored(design, measured, look, metric, decision)
        for metric in design.metrics
        for decision in decisions.values()
    )
    readout = Readout(
        header=_header(workspace, record, verdicts, rule),
        name=name,
        hypothesis=design.hypothesis,
        status=status(record, known),
        starts_at=format_time(record.started_at),
        ends_at=format_time(record.ends_at),
        until=format_time(cutoff),
        days=design.days,
        share=look.share,
        control=design.control,
        exposure=design.exposure,
        looks=_looks_in_words(look),
        rule=rule,
        arms=tuple(
            ArmFacts(
                arm,
                what(spec),
                spec.share,
                int(measured.assigned[:, place].sum()),
                int(measured.entered[:, place].sum()),
            )
            for place, (arm, spec) in enumerate(design.arms.items())
        ),
        verdicts=verdicts,
        checks=(*checked(checks, blocking=True), *checked(soft, blocking=False)),
        scores=scores,
        promises=promises_of(workspace, record, measured, cutoff),
        alerts=_alerts(record, measured, scores, beside),
        scale=design.scale,
        other_rule=other_rule,
        other_verdicts=other_verdicts,
        worth=worth,
        segments=segments_of(design, measured, layout, look),
        crossings=crossings_of(design, measured, layout, look, beside),
    )
    return Analysed(change_record(workspace, name, Change("look", cutoff, _now())), measured, readout)


def known_until(workspace: Workspace) -> int:
    """Return up to when all events are known, us: the end of the hour of the last one; MISSING: none is."""
    watermark = observed_until(workspace)
    return watermark if watermark == MISSING else -(-watermark // HOUR) * HOUR


def what(arm: Arm) -> str:
    """Return who decides in an arm, in words."""
    parts = [
        arm.policy or ("as usual" if not arm.release and not arm.weights else "learned"),
        f"of {arm.release}" if arm.release else "",
        "with " + ", ".join(f"{k} x {v:g}" for k, v in arm.weights.items()) if arm.weights else "",
    ]
    return " ".join(part for part in parts if part)


def meaning(metric: Metric) -> str:
    """Return what a metric counts, in words."""
    how = {
        "any": f"whether {metric.event}",
        "count": f"how often {metric.event}",
        "sum": f"sum of {metric.event}",
        "active_days": f"days with {metric.event}",
    }[metric.aggregate]
    parts = [how, f"per {metric.per}" if metric.per else ""]
    if metric.window is not None:
        first, last = metric.span
        assert last is not None
        begin = "entry" if not first else format_duration(first)
        parts.append(f"from {begin} to {format_duration(last)} after entry")
    if metric.cap is not None:
        parts.append(f"at most {metric.cap:g}")
    return ", ".join(part for part in parts if part)


def _scored(design: Design, measured: Measured, look: Look, name: str, decision: Decision) -> Scored:
    metric, column = design.metrics[name], measured.metrics[name]
    confidence = 1 - 2 * look.nominal(alpha_of(design, name))
    apart = [
        difference(
            measured.adjusted, column, decision.arm, design.control, scale=scale, confidence=confidence
        )
        for scale in ("absolute", "delta")
    ]
    absolute, relative = (Estimate(float(d.value), float(d.low), float(d.high)) for d in apart)
    pair = [measured.adjusted.arm(arm) for arm in (decision.arm, design.control)]
    at = levels(measured.moments, column)
    if not at.value[pair[1]] > _SURE * np.sqrt(at.noise[pair[1]]):
        relative = Estimate(nan)  # of a level that may be 0
    count = measured.moments.count
    if metric.window is not None and not metric.per:
        count = count * measured.moments.mean[:, measured.moments.column(f"{name} old")]
    threshold = metric.effect if metric.role == "success" else metric.margin
    return Scored(
        metric=name,
        arm=decision.arm,
        role=metric.role,
        direction=metric.direction,
        meaning=meaning(metric),
        unit="rate" if metric.aggregate == "any" else "number",
        level=float(at.value[pair[0]]),
        control=float(at.value[pair[1]]),
        absolute=absolute,
        relative=relative,
        confidence=confidence,
        users=round(float(count[pair].sum())),
        finding=finding_of(decision, name),
        threshold=nan if threshold is None else threshold,
        noise_taken=_noise_taken(measured, column.column),
    )


def _noise_taken(measured: Measured, column: str) -> float:
    if measured.adjusted is measured.moments:
        return 0.0
    share = float(variance_reduction(measured.moments, measured.adjusted, column))
    return max(share, 0.0) if np.isfinite(share) else 0.0


def _header(workspace: Workspace, record: Record, verdicts: Sequence[ArmVerdict], rule: str) -> Header:
    now = datetime.now(UTC)
    first = min(verdicts, key=lambda v: _ORDER.index(v.verdict))
    return Header(
        workspace=workspace.config.workspace.name,
        run_id=f"{now:%Y%m%dT%H%M%S}-experiment-{record.name}",
        created_at=_now(),
        verdict=" ".join(verdict.sentence for verdict in verdicts),
        tone=_TONES.get(first.verdict, "neutral"),
        verdict_basis=rule,
    )


def _looks_in_words(look: Look) -> str:
    design = look.design
    if design.looks == "none":
        return "read once, at its end; before it only harm is looked for"
    if design.looks == "always_valid":
        return "always-valid intervals: it may be read at any time, any number of times"
    many = len(look.shares)
    return f"group sequential, {design.spending.replace('_', ' ')} spending; this is look {many}"


def checked(checks: Sequence[Check], *, blocking: bool) -> tuple[CheckFacts, ...]:
    """Return the facts of checks; `blocking` ones stop the reading where they fail."""
    return tuple(CheckFacts(c.name, c.passed, blocking, c.p_value, c.detail) for c in checks)


def _alerts(
    record: Record, measured: Measured, scores: Sequence[Scored], beside: Sequence[Record]
) -> tuple[Alert, ...]:
    alerts = [Alert("warning", "noise", f"{note[:1].upper()}{note[1:]}.") for note in measured.notes]
    alerts += [
        Alert(
            "warning",
            "contamination",
            f"Users of {arm} had {many:.3g} deliveries each that no decision explains, though nothing is "
            "to be sent there.",
            "send through decisions only, or report events with their decision_id",
        )
        for arm, many in unexplained_sends(record, measured).items()
    ]
    thin = sorted({s.metric for s in scores if s.users < 2 * FEW})
    if thin:
        alerts.append(
            Alert(
                "warning",
                "few users",
                f"Of {', '.join(thin)} fewer than {2 * FEW} users can be counted yet.",
            )
        )
    alerts += [
        Alert(
            "note",
            "another experiment",
            f"{other.name} has some of the same users, from {format_time(other.started_at)} to "
            f"{format_time(other.ends_at)}; its arms are spread alike over the arms of this one.",
        )
        for other in beside
    ]
    return tuple(alerts)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
