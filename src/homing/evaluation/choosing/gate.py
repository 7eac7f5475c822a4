"""May a candidate go to a test on users?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.evaluation.choosing.verdict import Direction, Verdict
from homing.schema.errors import InputError


@dataclass(frozen=True)
class Guardrail:
    """A bound that an objective must keep, and what the candidate would make of it."""

    objective: str
    value: float  # the candidate's
    low: float  # end of its interval
    high: float
    limit: float  # the worst acceptable mean
    direction: Direction


@dataclass(frozen=True)
class Gate:
    """Whether a candidate may go to a test on users, and why, in plain sentences."""

    allowed: bool
    reasons: tuple[str, ...]  # against it; where there are none, what speaks for it


def gate(
    verdicts: Mapping[str, Verdict],
    primary: str,
    guardrails: Sequence[Guardrail] = (),
    faults: Sequence[str] = (),
) -> Gate:
    """Decide whether a candidate may go to a test on users.

    A test is there to find out, so a candidate need not be known to be better. It must not be known to be
    worse, the log must carry its estimate, the worst end of each guarded objective's interval must keep the
    guardrail, and the log itself must be sound.

    Args:
        verdicts: objective -> the candidate against the current policy.
        primary: the objective that the candidate is for.
        guardrails: of objectives that have one.
        faults: of the log, such as warnings of `PropensityCheck`, `LogFaults` and `Shift`.

    Raises:
        InputError: there is no verdict on `primary`.
    """
    if primary not in verdicts:
        raise InputError(f"primary == {primary!r}, must be one of {', '.join(verdicts) or 'the verdicts'}")
    aim = verdicts[primary]
    against = [f"The log is not sound: {fault}." for fault in faults]
    if aim.judgement == "do_not_trust":
        against.append(f"The log does not carry an estimate of {primary}: {aim.reason}.")
    if aim.judgement == "worse":
        against.append(f"The candidate is worse on {primary}: {aim.reason}.")
    against += [sentence for rail in guardrails if (sentence := _passed(rail))]
    if against:
        return Gate(False, tuple(against))
    how = "is better" if aim.judgement == "better" else "may be better or worse"
    kept = [f"It keeps the guardrail of {rail.objective}, {rail.limit:g}." for rail in guardrails]
    worse = [
        f"It is worse on {name}, which has no guardrail: {verdict.reason}."
        for name, verdict in verdicts.items()
        if name not in {primary, *(rail.objective for rail in guardrails)} and verdict.judgement == "worse"
    ]
    return Gate(True, (f"The candidate {how} on {primary}: {aim.reason}.", *kept, *worse))


def _passed(rail: Guardrail) -> str:
    """Return a sentence where the guardrail may not hold, or nothing."""
    worst = rail.low if rail.direction == "up" else rail.high
    sign = 1 if rail.direction == "up" else -1
    if math.isnan(worst):
        return f"Nothing is known about {rail.objective}, which has a guardrail of {rail.limit:g}."
    if sign * rail.value < sign * rail.limit:
        return f"{rail.objective} of {rail.value:.4g} passes its guardrail of {rail.limit:g}."
    if sign * worst < sign * rail.limit:
        return (
            f"{rail.objective} may pass its guardrail of {rail.limit:g}: the interval of "
            f"{rail.value:.4g} reaches to {worst:.4g}."
        )
    return ""
