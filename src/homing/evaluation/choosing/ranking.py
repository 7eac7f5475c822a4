"""How good is an estimator at picking policies? For worlds in which the true values are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from homing.evaluation.inputs import finite
from homing.schema.errors import InputError


@dataclass(frozen=True)
class TopK:
    """The k policies that an estimator ranks first, by what they are truly worth."""

    k: int
    mean: float  # true value, per decision
    best: float
    worst: float
    spread: float  # standard deviation over the k, with divisor k
    sharpe: float  # best less baseline, by the spread; NaN when the k are all worth the same
    violations: float  # share of the k that are worth less than the threshold of safety


def top_k(
    estimated: ArrayLike, true: ArrayLike, k: int, baseline: float, *, safety: float | None = None
) -> TopK:
    """Return mean, best and worst of the k policies of the highest estimates, their Sharpe ratio and safety.

    Kiyohara, Kishimoto, Kawakami et al. (2024), Towards assessing and benchmarking risk-return tradeoff of
    off-policy evaluation: the k would be tried on users, and the best of them kept. What that gains is `best`
    over the policy in use, and what it risks on the way is the spread of the k.

    Args:
        estimated: float [policies], the higher the better.
        true: float [policies], in units of the outcome.
        k: how many are tried, from 1 to all.
        baseline: true value of the policy in use.
        safety: least value that is acceptable; None: the baseline.

    Raises:
        InputError: empty, lengths differ, values not finite, or k out of range.
    """
    worth = finite("true", true)
    rank = np.argsort(-finite("estimated", estimated, len(worth)), kind="stable")
    if not 1 <= k <= len(worth):
        raise InputError(f"k == {k}, must be from 1 to the {len(worth)} policies")
    if not (math.isfinite(baseline) and (safety is None or math.isfinite(safety))):
        raise InputError(f"baseline == {baseline} and safety == {safety}, must be finite")
    tried = worth[rank[:k]]
    best, worst = float(tried.max()), float(tried.min())
    spread = float(tried.std()) if best > worst else 0.0
    return TopK(
        k=k,
        mean=float(tried.mean()),
        best=best,
        worst=worst,
        spread=spread,
        sharpe=(best - baseline) / spread if spread else math.nan,
        violations=float((tried < (baseline if safety is None else safety)).mean()),
    )
