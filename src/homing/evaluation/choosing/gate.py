"""May a candidate go to a test on users?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from homing.evaluation.choosing.verdict import Direction, Verdict
from homing.schema.errors import InputError

#: By the interval: all of it keeps the guardrail, only a part of it does, none of it does, or there is none.
Keeping = Literal["kept", "at_risk", "passed", "unknown"]


@dataclass(frozen=True)
class Guardrail:
    """A bound that an objective must keep, and what the candidate would make of it."""

    objective: str
    value: float  # the candidate's
    low: float  # end of its interval
    high: float
    limit: float  # the worst acceptable mean
    direction: Direction

    @property
    def keeping(self) -> Keeping:
        """How the interval stands to the limit."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "unknown"
        sign = 1 if self.direction == "up" else -1
        worst, best = sorted((sign * self.low, sign * self.high))
        if worst >= sign * self.limit:
            return "kept"
        return "passed" if best < sign * self.limit else "at_risk"

    @property
    def sentence(self) -> str:
        """The same in words."""
        worst = self.low if self.direction == "up" else self.high
        return {
            "kept": f"{self.objective} of {self.value:.4g} keeps its guardrail of {self.limit:g}.",
            "at_risk": f"{self.objective} may pass its guardrail of {self.limit:g}: the interval of "
            f"{self.value:.4g} reaches to {worst:.4g}.",
            "passed": f"{self.objective} of {self.value:.4g} [{self.low:.4g}, {self.high:.4g}] passes its "
            f"guardrail of {self.limit:g}.",
            "unknown": f"Nothing is known about {self.objective}, which has a guardrail of {self.limit:g}.",
        }[self.keeping]


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
    against += [rail.sentence for rail in guardrails if rail.keeping != "kept"]
    if against:
        return Gate(False, tuple(against))
    how = "is better" if aim.judgement == "better" else "may be better or worse"
    kept = [rail.sentence for rail in guardrails]
    worse = [
        f"It is worse on {name}, which has no guardrail: {verdict.reason}."
        for name, verdict in verdicts.items()
        if name not in {primary, *(rail.objective for rail in guardrails)} and verdict.judgement == "worse"
    ]
    return Gate(True, (f"The candidate {how} on {primary}: {aim.reason}.", *kept, *worse))
