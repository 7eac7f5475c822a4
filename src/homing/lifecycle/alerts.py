"""What a reader has to know before believing the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homing import evaluation
from homing.lifecycle.estimates import LOGGING
from homing.lifecycle.valuation import Agreement
from homing.report.facts import Alert, ObjectiveValues, PolicyValue, Tone, Truth, Values
from homing.schema import Config


def evaluation_alerts(
    config: Config,
    values: Values,
    truth: Sequence[Truth] | None,
    agreement: Agreement,
    check: evaluation.PropensityCheck,
) -> tuple[Alert, ...]:
    """Return everything that an evaluation has to warn of, the worst first."""
    return (
        *_log_alerts(agreement, check),
        *_overlap_alerts(values, truth),
        *_guardrail_alerts(config, values),
    )


def _log_alerts(agreement: Agreement, check: evaluation.PropensityCheck) -> list[Alert]:
    alerts = []
    if not check.passed:
        sentence = (check.warnings or ("logged propensities do not match what was drawn",))[0]
        alerts.append(
            Alert(
                "critical",
                "Propensities",
                sentence[0].upper() + sentence[1:] + ". Every number below rests on them.",
                "Find out how the log computed its propensities before using any estimate.",
            )
        )
    if agreement.lost:
        total = agreement.rows
        alerts.append(
            Alert(
                "warning",
                "Replay",
                f"{agreement.lost:,} of {total:,} decisions chose something that today's rules would not "
                "have offered; they are left out.",
                "Bring the rules of homing.toml in line with those that held when the log was made.",
            )
        )
    if agreement.other_set:
        alerts.append(
            Alert(
                "warning",
                "Replay",
                f"{agreement.other_set:,} of {agreement.rows:,} decisions had another candidate set than the "
                "one that the ledger gives today.",
                "Look for opportunities, consents or limits that changed after the decisions were made.",
            )
        )
    return alerts


def _overlap_alerts(values: Values, truth: Sequence[Truth] | None) -> list[Alert]:
    alerts = [
        Alert(
            "warning",
            f"Overlap of {policy.policy}",
            f"The estimate for {policy.policy} cannot be trusted: {policy.reason}.",
            "Log with more exploration, or compare a policy that is nearer to the log.",
        )
        for policy in values.objectives[0].policies
        if policy.judgement == "do_not_trust"
    ]
    alerts.extend(
        Alert(
            "warning",
            f"Overlap of {fact.policy} in the log of {fact.log}",
            f"An effective sample size of {fact.effective_size:,.0f} out of {fact.decisions:,} decisions "
            f"does not carry the estimate of {fact.objective}: {fact.reason}.",
            "Take the other direction, or a longer log.",
        )
        for fact in truth or ()
        if fact.judgement == "do_not_trust"
    )
    return alerts


def _guardrail_alerts(config: Config, values: Values) -> list[Alert]:
    alerts = []
    for table in values.objectives:
        learned = next((policy for policy in table.policies if policy.policy == "learned"), None)
        if table.guardrail is None or learned is None or not np.isfinite(learned.value.value):
            continue
        passed = (
            learned.value.value > table.guardrail
            if table.direction == "down"
            else learned.value.value < table.guardrail
        )
        if passed:
            alerts.append(
                Alert(
                    "critical",
                    f"Guardrail {table.objective}",
                    f"The learned policy's {table.objective} of {learned.value.value:.4g} passes the "
                    f"guardrail of {table.guardrail:g}.",
                    f"Raise objectives.{table.objective}.weight, or lower the weights that pull against it.",
                )
            )
    return alerts


def verdict(values: Values, constant: str | None) -> tuple[str, Tone, str]:
    """Return the report's one sentence, its tone (good, bad or neutral) and what it rests on."""
    table = values.objectives[0]
    learned = next((policy for policy in table.policies if policy.policy == "learned"), None)
    logging = next((policy for policy in table.policies if policy.policy == LOGGING), None)
    if learned is None or logging is None or learned.versus_logging is None:
        return "The learned policy was not evaluated.", "neutral", ""
    percent = f"{values.confidence:.0%}"
    basis = (
        f"{values.headline} on {values.decisions:,} decisions that training never saw; {percent} intervals."
    )
    if learned.judgement == "do_not_trust":
        return (
            f"The log does not carry an estimate of the learned policy: {learned.reason}.",
            "bad",
            basis,
        )
    sentence = f"The learned policy is {_versus_log(table, learned, logging)}"
    tone: Tone = "good" if learned.judgement == "better" else "neutral"
    tone = "bad" if learned.judgement == "worse" else tone
    gap = learned.versus_constant
    if constant is not None and gap is not None:
        low, high = (gap.low, gap.high) if table.direction == "up" else (-gap.high, -gap.low)
        name = (
            "holding back from all" if constant == "hold" else f"sending {constant.partition(':')[2]} to all"
        )
        if low > 0:
            sentence += f" It beats the best constant policy, {name}."
        else:
            tone = "bad" if high < 0 else "neutral"
            what = "is worse than" if high < 0 else "does not beat"
            sentence += (
                f" Learning {what} {name} (difference {gap.value:+.4g} [{gap.low:+.4g}, {gap.high:+.4g}])."
            )
    return sentence, tone, basis


def _versus_log(table: ObjectiveValues, learned: PolicyValue, logging: PolicyValue) -> str:
    gap, base = learned.versus_logging, abs(logging.value.value)
    assert gap is not None
    interval = f"{gap.value:+.4g} [{gap.low:+.4g}, {gap.high:+.4g}] {table.objective} per decision"
    relative = f", {gap.value / base:+.1%}" if base > 0 else ""
    how = {"better": "better than", "worse": "worse than"}.get(learned.judgement, "not told apart from")
    return f"{how} the one that wrote the log ({interval}{relative})."
