"""The decision rule that a design writes down, and what it says of an arm at a look."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from homing.experiments import Check, Criterion, Decision, Rule, decide
from homing.experiments import Metric as Column
from homing.lifecycle.experiment.looking import Look
from homing.lifecycle.experiment.measuring import Measured
from homing.report.experiment import ArmVerdict, Finding
from homing.schema.experiment import Design
from homing.schema.times import format_time


def rule_of(design: Design, columns: Mapping[str, Column]) -> Rule:
    """Return the rule for one arm; alpha is divided over the arms that are compared with the control.

    Args:
        design: whose metrics have roles.
        columns: by metric.
    """
    arms = len(design.treatments)
    criteria = [
        Criterion(
            columns[name],
            "deterioration" if metric.role == "monitor" else metric.role,
            metric.margin or 0.0,
            "lower" if metric.direction == "down" else "higher",
        )
        for name, metric in design.metrics.items()
        if metric.direction != "none"
    ]
    return Rule(
        criteria=tuple(criteria),
        alpha=design.alpha / arms,
        beta=design.beta,
        alpha_worse=design.alpha_worse / arms,
        alpha_quality=design.alpha_quality,
        correction=design.correction,
        scale="delta" if design.scale == "relative" else "absolute",
    )


def alpha_of(design: Design, name: str) -> float:
    """Return the one-sided alpha of a metric's interval, all looks together."""
    metrics = design.metrics
    alpha, role = design.alpha / len(design.treatments), metrics[name].role
    if role == "guardrail" or (role == "success" and design.correction == "none"):
        return alpha
    return alpha / sum(metric.role == role for metric in metrics.values())


def decision_at(
    design: Design, measured: Measured, look: Look, arm: str, checks: Sequence[Check]
) -> Decision:
    """Return what the rule says of an arm, with the alpha of this look."""
    rule = rule_of(design, measured.metrics)
    nominal = None if look.design.looks == "none" and look.final else look.nominal
    if nominal is not None and rule.correction not in ("none", "bonferroni"):
        rule = dataclasses.replace(rule, correction="bonferroni")  # before the end only harm is read
    return decide(measured.adjusted, rule, arm, design.control, checks=checks, nominal=nominal)


def verdict_of(decision: Decision, look: Look, ends_at: int, over: bool) -> ArmVerdict:
    """Return the verdict in a sentence.

    Args:
        decision: of the rule.
        look: at which it was made.
        ends_at: planned end, us.
        over: whether the experiment has been stopped or has ended, so that nothing more will be known.
    """
    return judged(
        decision.arm,
        ship=decision.ship,
        harm=any(outcome.worse for outcome in decision.outcomes),
        why="; ".join(decision.reasons),
        sentence=decision.sentence,
        checks=decision.checks,
        look=look,
        ends_at=ends_at,
        over=over,
    )


def judged(
    arm: str,
    *,
    ship: bool,
    harm: bool,
    why: str,
    sentence: str,
    checks: Sequence[Check],
    look: Look,
    ends_at: int,
    over: bool,
) -> ArmVerdict:
    """Return the verdict of any rule: what it found (`ship`, `harm`), and when that may be said.

    Args:
        arm: which.
        ship: whether the rule ships.
        harm: whether it sees harm.
        why: the reasons, without a full stop.
        sentence: what is said where nothing more will be known.
        checks: of quality, of which one that fails stops the reading.
        look, ends_at, over: as of `verdict_of`.
    """
    failed = [f"the check '{c.name}' fails ({c.detail})" for c in checks if not c.passed]
    if failed:
        return ArmVerdict(arm, "cannot_be_read", f"{arm} cannot be read: {'; '.join(failed)}.")
    if harm:
        asked = f"Do not ship {arm}" if over else f"Stop {arm}"
        return ArmVerdict(arm, "stop", f"{asked}: {why}.")
    if over or look.final:
        return ArmVerdict(arm, "ship" if ship else "do_not_ship", sentence)
    if ship and look.design.looks != "none":
        return ArmVerdict(arm, "ship", sentence)
    until = format_time(ends_at)
    if look.design.looks == "none":
        return ArmVerdict(
            arm, "go_on", f"Go on with {arm} until {until}, when the rule is read; so far nothing is worse."
        )
    return ArmVerdict(arm, "go_on", f"Go on with {arm} until {until}: {why}.")


def finding_of(decision: Decision, name: str) -> Finding:
    """Return what was found of a metric."""
    outcome = next((o for o in decision.outcomes if o.criterion.metric.name == name), None)
    if outcome is None or outcome.p_worse != outcome.p_worse:
        return "unknown"
    if outcome.worse:
        return "worse"
    if not outcome.achieved:
        return "cannot_tell"
    return "better" if outcome.criterion.role == "success" else "non_inferior"


def in_words(design: Design) -> str:
    """Return the rule as a sentence."""
    named = {
        role: [
            name
            for name, metric in design.metrics.items()
            if metric.role == role and metric.direction != "none"
        ]
        for role in ("success", "guardrail", "monitor")
    }
    unit = " of the control" if design.scale == "relative" else ""

    def told(value: float | None) -> str:
        share = 0.0 if value is None else value
        return f"{share * 100:g} %{unit}" if design.scale == "relative" else f"{share:g}"

    parts = [f"at least one of {', '.join(named['success'])} is better"]
    if named["guardrail"]:
        margins = ", ".join(f"{name} by {told(design.metrics[name].margin)}" for name in named["guardrail"])
        parts.append(f"no guardrail may be worse by more than its margin ({margins})")
    parts.append("nothing deteriorates")
    parts.append("the quality checks pass")
    return (
        f"Ship an arm if {', '.join(parts[:-1])} and {parts[-1]}: one-sided alpha {design.alpha:g}"
        f"{'' if design.correction == 'none' else f', {design.correction} over success metrics'}, "
        f"{design.alpha_worse:g} for harm."
    )
