"""What a difference from the current policy means, and what it would take to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

from homing.evaluation.estimate import Estimate
from homing.schema.errors import InputError

Direction = Literal["up", "down"]  # whether more of the outcome is better, or less
Judgement = Literal["better", "worse", "cannot_tell", "do_not_trust"]

_POWER: Final = 0.8
_HOPELESS: Final = 1000  # times the log: a number that nobody can plan with


@dataclass(frozen=True)
class Verdict:
    """What a difference means, in one word and one sentence."""

    judgement: Judgement
    reason: str  # a sentence without its full stop
    more_decisions: int | None = None  # that it would take to tell; None: told, or not to be had by waiting


def judge(
    gap: Estimate,
    doubts: Sequence[str],
    direction: Direction,
    *,
    effect: float | None = None,
) -> Verdict:
    """Judge a difference by its interval, unless something speaks against the estimate itself.

    The error falls with the root of the number of decisions, so telling an effect d with a chance of 80 %
    takes `n ((z_(1 - alpha / 2) + z_0.8) s / d)^2` decisions, with s the cluster-robust error at n.

    Args:
        gap: the candidate's value less the current policy's, from `difference`.
        doubts: reasons not to trust either estimate, the worst first.
        direction: whether more is better.
        effect: the smallest difference that would matter, in units of the outcome; None: the one observed,
            which is itself a guess.

    Raises:
        InputError: `effect` is not positive.
    """
    if effect is not None and not effect > 0:
        raise InputError(f"effect == {effect}, must be positive: the smallest difference that would matter")
    if doubts:
        return Verdict("do_not_trust", doubts[0])
    if gap.low > 0 or gap.high < 0:
        better = (gap.low > 0) == (direction == "up")
        interval = f"the difference is {gap.value:+.3g} [{gap.low:+.3g}, {gap.high:+.3g}]"
        return Verdict("better" if better else "worse", interval)
    if math.isnan(gap.low):
        return Verdict("cannot_tell", "the difference is not known")
    wanted = effect if effect is not None else abs(gap.value)
    more = max(decisions_to_tell(gap, wanted) - gap.decisions, 0)
    if more > _HOPELESS * gap.decisions:
        return Verdict("cannot_tell", "the difference is too near zero for any log to tell")
    which = f"a difference of {wanted:.3g}" if effect is not None else f"a difference of {gap.value:+.3g}"
    if not more:
        return Verdict("cannot_tell", f"this log would have told {which}", 0)
    return Verdict(
        "cannot_tell", f"about {_rounded(more):,.0f} more decisions would tell {which}", math.ceil(more)
    )


def decisions_to_tell(gap: Estimate, effect: float) -> float:
    """Return how many decisions like these tell a difference of `effect` in 80 of 100 logs.

    Args:
        gap: a difference, whose error says what one decision is worth.
        effect: in units of the outcome; 0 takes infinitely many.
    """
    if effect == 0:
        return math.inf
    normal = NormalDist()
    reach = normal.inv_cdf(0.5 + gap.confidence / 2) + normal.inv_cdf(_POWER)
    return gap.decisions * (reach * gap.std_error / effect) ** 2


def _rounded(count: float) -> float:
    """Return two digits of a count; more would pretend to know it."""
    unit = 10.0 ** max(math.floor(math.log10(max(count, 1))) - 1, 0)
    return math.ceil(count / unit) * unit
