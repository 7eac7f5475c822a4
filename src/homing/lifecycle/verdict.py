"""The one sentence at the top of a report."""

from __future__ import annotations

from homing.lifecycle.estimates import LOGGING
from homing.report.facts import Estimate, ObjectiveValues, PolicyValue, Tone, Values


def verdict(values: Values, constant: str | None) -> tuple[str, Tone, str]:
    """Return the sentence, its tone, and what it rests on.

    Args:
        values: of an evaluation; the first table is the utility.
        constant: the best policy that does the same for everybody, hold among them; None: there is none.
    """
    table = values.objectives[0]
    learned, logging = _policy(table, "learned"), _policy(table, LOGGING)
    if learned is None or logging is None or learned.versus_logging is None:
        return "The learned policy was not evaluated.", "neutral", ""
    basis = (
        f"{values.headline} on {values.decisions:,} decisions that training never saw, with "
        f"{values.confidence:.0%} intervals. {table.objective.capitalize()} per decision: "
        f"{logging.value.value:.4g} in the log, {_number(learned.value)} learned."
    )
    if learned.judgement == "do_not_trust":
        return f"The log does not carry an estimate of the learned policy: {learned.reason}.", "bad", basis
    base = abs(logging.value.value)
    tones: dict[str, Tone] = {"better": "good", "worse": "bad"}
    tone = tones.get(learned.judgement, "neutral")
    how = {"better": "is better than the log", "worse": "is worse than the log"}
    sentence = (
        f"The learned policy {how.get(learned.judgement, 'cannot be told apart from the log')}: "
        f"{_change(learned.versus_logging, base)} {table.objective}."
    )
    if constant is None or learned.versus_constant is None:
        return sentence, tone, basis
    name = "holding back from all" if constant == "hold" else f"sending {constant.partition(':')[2]} to all"
    gap = _upwards(learned.versus_constant, table)
    if gap.low > 0:
        return f"{sentence} It beats the best constant policy, {name}.", tone, basis
    worse = gap.high < 0
    verb = "is worse than" if worse else "does not beat"
    sentence += f" It {verb} {name} ({_change(learned.versus_constant, base)})"
    greedy = _policy(table, "greedy")
    if greedy is not None and greedy.versus_constant is not None:
        beats = _upwards(greedy.versus_constant, table).low > 0
        sentence += f"; without exploration it {'beats it' if beats else 'does not beat it either'}"
    return sentence + ".", "bad" if worse else "neutral", basis


def _policy(table: ObjectiveValues, name: str) -> PolicyValue | None:
    return next((policy for policy in table.policies if policy.policy == name), None)


def _upwards(gap: Estimate, table: ObjectiveValues) -> Estimate:
    """Return the difference with more being better."""
    return gap if table.direction == "up" else Estimate(-gap.value, -gap.high, -gap.low)


def _change(gap: Estimate, base: float) -> str:
    """Return a difference as a share of the log's value, or as it is where that is zero."""
    if base == 0:
        return f"{gap.value:+.3g} [{gap.low:+.3g}, {gap.high:+.3g}]"
    low, high = gap.low / base * 100, gap.high / base * 100
    return f"{gap.value / base:+.1%} [{low:+.1f}, {high:+.1f}]"


def _number(value: Estimate) -> str:
    return f"{value.value:.4g} [{value.low:.4g}, {value.high:.4g}]"
