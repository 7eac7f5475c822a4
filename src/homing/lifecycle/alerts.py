"""What a reader has to know before believing the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homing.evaluation import Guardrail
from homing.lifecycle.segments import guardrails
from homing.lifecycle.valuation import Agreement
from homing.report.facts import Alert, Level, Population, Selection, Truth, Values

#: Decisions that today's rules would not have offered are left out. That depends on what was chosen, so with
#: more than this share of them estimates are biased by more than can go unsaid.
_MOST_LOST: Final = 0.01

_VERDICTS: Final = {
    "better": "better than the log",
    "worse": "worse than the log",
    "cannot_tell": "one that cannot be told from the log",
    "do_not_trust": "not to be trusted",
}


def soundness(
    agreement: Agreement, propensity_faults: Sequence[str], population: Population | None
) -> tuple[str, ...]:
    """Return what forbids a test on users whatever the estimates say, as sentences without a full stop."""
    broken = dict(agreement.faults.broken)
    broken.pop("certain", None)
    if agreement.faults.outside <= _MOST_LOST * agreement.faults.rows:
        broken.pop("outside", None)
    shifted = population is not None and _shift_level(population) == "critical"
    return (*broken.values(), *propensity_faults, *([population.sentence] if shifted and population else ()))


def evaluation_alerts(
    values: Values,
    truth: Sequence[Truth] | None,
    agreement: Agreement,
    faults: Sequence[str],
    constant: Sequence[str] = (),
    unmet: Sequence[str] | None = None,
) -> tuple[Alert, ...]:
    """Return everything that an evaluation has to warn of.

    `faults` are of the logged propensities; `constant` names the objectives whose outcome never varied in
    training, and `unmet` the budgets that the learned policy cannot keep on these decisions; None: there are
    no budgets.
    """
    return (
        *_log_alerts(agreement, faults),
        *_replay_alerts(agreement),
        *_population_alerts(values.population),
        *_constant_alerts(constant),
        *_budget_alerts(unmet),
        *_overlap_alerts(values, truth),
        *_guardrail_alerts(guardrails(values.objectives)),
    )


def selection_alerts(selection: Selection | None) -> tuple[Alert, ...]:
    """Return the advice to keep the current policy, where training could not find a better one."""
    if selection is None or not selection.advice:
        return ()
    step = "Test the release on some users before all of them get it, or train again on a longer log."
    return (Alert("warning", "Long-term values", selection.advice, step),)


def _budget_alerts(unmet: Sequence[str] | None) -> list[Alert]:
    if unmet is None:
        return []
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
    return [
        Alert(
            "note",
            "Budgets",
            "Learned policies are valued as they would decide within the budgets: with prices found on "
            "the held-out decisions, from budgets scaled to their number.",
        )
    ]


def _log_alerts(agreement: Agreement, faults: Sequence[str]) -> list[Alert]:
    levels: dict[str, Level] = {"certain": "warning"}
    alerts = [
        Alert(
            levels.get(rule, "critical"),
            "Log",
            f"{sentence}.",
            "Find out how the log computed its propensities; of what was never drawn it says nothing.",
        )
        for rule, sentence in agreement.faults.broken.items()
        if rule != "outside"
    ]
    alerts.extend(
        Alert(
            "critical",
            "Propensities",
            fault[0].upper() + fault[1:] + ". Every number below rests on them.",
            "Find out how the log computed its propensities before using any estimate.",
        )
        for fault in faults
    )
    return alerts


def _replay_alerts(agreement: Agreement) -> list[Alert]:
    alerts, rows, lost = [], agreement.faults.rows, agreement.faults.outside
    if lost:
        alerts.append(
            Alert(
                "critical" if lost > _MOST_LOST * rows else "warning",
                "Replay",
                f"{lost:,} of {rows:,} decisions chose something that today's rules would not "
                "have offered; they are left out"
                + (
                    f", and over {_MOST_LOST:.0%} of them bias every estimate."
                    if lost > _MOST_LOST * rows
                    else "."
                ),
                "Bring the rules of homing.toml in line with those that held when the log was made.",
            )
        )
    if agreement.other_set:
        alerts.append(
            Alert(
                "warning",
                "Replay",
                f"{agreement.other_set:,} of {rows:,} decisions had another candidate set than the "
                "one that the ledger gives today.",
                "Look for opportunities, consents or limits that changed after the decisions were made.",
            )
        )
    if agreement.drawn_here.contradicted:
        alerts.append(
            Alert(
                "warning",
                "Replay",
                f"{agreement.drawn_here.contradicted:,} of {agreement.drawn_here.rows:,} decisions by "
                "releases of this workspace have another propensity than their release gives them today.",
                "Look for events that came after the decisions were made; the logged propensities count.",
            )
        )
    return alerts


def _population_alerts(population: Population | None) -> list[Alert]:
    if population is None or not population.moved:
        return []
    level = _shift_level(population)
    sentence = f"{population.sentence[0].upper()}{population.sentence[1:]}. "
    if population.difference is None:
        sentence += "No outcome is known, so nothing is said of what that changes."
    elif population.carried is None:
        sentence += (
            "Too few of its decisions are of users like today's to weigh them so (they would count for "
            f"{population.effective_size:,.0f})."
        )
    else:
        plain, carried = population.difference, population.carried
        change = (
            "the same verdict"
            if population.judgement == population.carried_judgement
            else f"another verdict: {_VERDICTS[population.carried_judgement]}, not "
            f"{_VERDICTS[population.judgement]}"
        )
        sentence += (
            f"For users like today's the learned policy brings {carried.value:+.3g} [{carried.low:+.3g}, "
            f"{carried.high:+.3g}] per decision instead of {plain.value:+.3g} [{plain.low:+.3g}, "
            f"{plain.high:+.3g}]: {change}."
        )
    step = "Evaluate on a newer log, or test on users before you believe it."
    return [Alert(level, "Population", sentence, "" if level == "note" else step)]


def _shift_level(population: Population) -> Level:
    """Return how bad it is: the verdict stays, another one, or none can be had for users like today's."""
    if not population.moved:
        return "note"
    if population.carried is None:
        return "critical"
    if population.carried_judgement == population.judgement:
        return "note"
    return "critical" if population.carried_judgement == "worse" else "warning"


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


def _guardrail_alerts(rails: Sequence[Guardrail]) -> list[Alert]:
    return [
        Alert(
            "critical" if rail.keeping == "passed" else "warning",
            f"Guardrail {rail.objective}",
            f"The learned policy: {rail.sentence}",
            f"Raise objectives.{rail.objective}.weight, or lower the weights that pull against it.",
        )
        for rail in rails
        if rail.keeping != "kept"
    ]
