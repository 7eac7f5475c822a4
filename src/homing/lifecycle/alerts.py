"""What a reader has to know before believing the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homing.lifecycle.valuation import Agreement
from homing.report.facts import Alert, Truth, Values
from homing.schema import Config


def evaluation_alerts(
    config: Config,
    values: Values,
    truth: Sequence[Truth] | None,
    agreement: Agreement,
    faults: Sequence[str],
    constant: Sequence[str] = (),
    unmet: Sequence[str] = (),
) -> tuple[Alert, ...]:
    """Return everything that an evaluation has to warn of, the worst first.

    `faults` are of the logged propensities; `constant` names the objectives whose outcome never varied in
    training, and `unmet` the budgets that the learned policy cannot keep on these decisions.
    """
    return (
        *_log_alerts(agreement, faults),
        *_constant_alerts(constant),
        *_budget_alerts(config, unmet),
        *_overlap_alerts(values, truth),
        *_guardrail_alerts(config, values),
    )


def _budget_alerts(config: Config, unmet: Sequence[str]) -> list[Alert]:
    if unmet:
        names = ", ".join(f"`{name}`" for name in unmet)
        return [
            Alert(
                "warning",
                "Budgets",
                f"Candidates of held-out decisions do not allow the learned policy to keep {names}; it is "
                "valued as near to that as there is.",
                "Compare the budgets with what the log could send.",
            )
        ]
    if config.budgets:
        return [
            Alert(
                "note",
                "Budgets",
                "Learned policies are valued as they would decide within the budgets: with prices found on "
                "the held-out decisions, from budgets scaled to their number.",
            )
        ]
    return []


def _log_alerts(agreement: Agreement, faults: Sequence[str]) -> list[Alert]:
    alerts = [
        Alert(
            "critical",
            "Propensities",
            fault[0].upper() + fault[1:] + ". Every number below rests on them.",
            "Find out how the log computed its propensities before using any estimate.",
        )
        for fault in faults
    ]
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


def _constant_alerts(constant: Sequence[str]) -> list[Alert]:
    return [
        Alert(
            "warning",
            f"Objective {name}",
            f"{name} never varied in the decisions that were trained on, so its model is one constant and "
            "it has no say in decisions.",
            f"Check the event of objectives.{name}, widen its window, or train again once it has happened.",
        )
        for name in constant
    ]


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
