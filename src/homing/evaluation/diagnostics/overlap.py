"""Does the log say anything about the target policy? Weights, their tail, and support."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.diagnostics.tail import (
    WeightTail,
    largest_values,
    pareto_threshold,
    tail_shape,
    tail_size,
    weight_tail,
)
from homing.evaluation.inputs import (
    SUM_TOLERANCE,
    Floats,
    one_dimensional,
    policy_mean,
    ragged,
    shares,
    weights,
)
from homing.schema.config import Evaluation
from homing.schema.errors import InputError

_DEFAULTS: Final = Evaluation()
#: Weights average 1 when propensities are right; a mean this many standard errors away is a fault.
_MEAN_WEIGHT_Z: Final = 4.0


@dataclass(frozen=True)
class Thresholds:
    """When overlap is too thin; declared in `[evaluation]` of the configuration."""

    min_effective_size: float = _DEFAULTS.min_effective_size  # decisions
    min_effective_share: float = _DEFAULTS.min_effective_share
    max_unsupported: float = 0.01  # share of the target's probability

    @classmethod
    def of(cls, config: Evaluation) -> Self:
        """Return the thresholds of a configuration."""
        return cls(config.min_effective_size, config.min_effective_share)


@dataclass(frozen=True)
class Overlap:
    """How far the logged choices are those of the target."""

    decisions: int
    effective_size: float  # decisions; 0 when every weight is 0
    max_weight: float
    mean_weight: float  # 1 in expectation, when the log could do all that the target does
    mean_weight_error: float  # cluster-robust by user; NaN with one user
    tail_shape: float = math.nan  # Pareto k of the largest weights; NaN: they are equal or too few

    @property
    def heavy_tail(self) -> bool:
        """Whether the mean of so many weights is not settled, so that no interval of it holds."""
        return self.tail_shape > pareto_threshold(self.decisions)

    @property
    def effective_share(self) -> float:
        """Effective size by decisions."""
        return self.effective_size / self.decisions

    def warnings(self, thresholds: Thresholds) -> tuple[str, ...]:
        """Return what is wrong, in plain sentences, the worst first."""
        if self.effective_size == 0:
            return (
                f"no overlap: the target never takes any of the {self.decisions:,} logged choices, so the "
                "log says nothing about it",
            )
        found = []
        if self.effective_size < thresholds.min_effective_size:
            found.append(
                f"thin overlap: {self.decisions:,} decisions count for {self.effective_size:,.1f} (at least "
                f"{thresholds.min_effective_size:,.0f} are needed; the largest weight is "
                f"{self.max_weight:,.1f}); do not trust it"
            )
        elif self.effective_share < thresholds.min_effective_share:
            found.append(
                f"thin overlap: {self.decisions:,} decisions count for {self.effective_size:,.0f}, "
                f"{self.effective_share:.2%} of them (at least {thresholds.min_effective_share:.2%} is "
                "needed); the target is far from the logging policy"
            )
        if self.heavy_tail:
            found.append(
                f"heavy tail: the largest weights fall off like a Pareto with k = {self.tail_shape:.2f} "
                f"(over {pareto_threshold(self.decisions):.2f}), so their mean has not settled and "
                "intervals are too short"
            )
        if abs(self.mean_weight - 1) > max(_MEAN_WEIGHT_Z * self.mean_weight_error, SUM_TOLERANCE):
            found.append(
                f"the weights average {self.mean_weight:.4f} ± {self.mean_weight_error:.4f} and not 1: "
                "propensities are wrong, or the target does what the log could not"
            )
        return tuple(found)


def effective_sample_size(weight: ArrayLike) -> float:
    """Return (sum w)^2 / sum w^2 (Kish 1965): decisions of equal weight that are as informative.

    Args:
        weight: float [n], >= 0.

    Returns:
        Decisions, between 1 and n; 0 when every weight is 0.

    Raises:
        InputError: empty, negative or not finite.
    """
    return _kish(weights("weight", weight))


def overlap(weight: ArrayLike, user: ArrayLike | Clusters | None = None) -> Overlap:
    """Return effective size, largest weight, mean weight and shape of the tail.

    Args:
        weight: float [n], target probability by propensity of the logged choice.
        user: [n] cluster ids, or None.

    Raises:
        InputError: empty, negative or not finite.
    """
    checked = weights("weight", weight)
    groups = cluster(user, len(checked))
    top = largest_values(checked, tail_size(len(checked)) + 1)
    return overlap_of_totals(groups.sums(checked), groups.counts, float(checked @ checked), top)


def overlap_of_totals(by_user: Floats, counts: Floats, squares: float, top: Floats) -> Overlap:
    """Return the overlap of weights of which only totals and the largest ones are kept.

    Args:
        by_user: float64 [users], sum of each user's weights.
        counts: float64 [users], decisions of each.
        squares: sum of squared weights over decisions.
        top: float64, the `tail_size(decisions) + 1` largest weights, or more, rising.
    """
    users, rows, total = len(counts), float(counts.sum()), float(by_user.sum())
    mean, error = total / rows, math.nan
    if users > 1:
        psi = by_user - mean * counts
        error = math.sqrt(users / (users - 1) * float(psi @ psi)) / rows
    size = total**2 / squares if squares else 0.0
    return Overlap(int(rows), size, float(top[-1]), mean, error, tail_shape(top, int(rows)))


@dataclass(frozen=True)
class Support:
    """Probability that the target puts where the log has nothing."""

    impossible: float  # share of the target's mass on candidates that the log could not choose; NaN: unknown
    unseen: float  # share of the target's mass on groups that the log never chose; NaN: unknown
    unseen_groups: dict[int, float] = field(default_factory=dict)  # group -> its share, the largest first


def support(
    target_probability: ArrayLike,
    offsets: ArrayLike,
    *,
    logging_probability: ArrayLike | None = None,
    group: ArrayLike | None = None,
    chosen_group: ArrayLike | None = None,
) -> Support:
    """Return the share of the target's probability that the log could not, or did not, choose.

    Args:
        target_probability: float [m] over the candidates of all rows.
        offsets: int64 [n + 1].
        logging_probability: float [m] of the logging policy over the same candidates, where known.
        group: integer [m], such as message x channel, where known.
        chosen_group: integer [n], the group of each logged choice; goes with `group`.

    Raises:
        InputError: lengths differ, probabilities are not, or only one of `group` and `chosen_group` is given.
    """
    target = shares("target_probability", target_probability)
    bounds = ragged(offsets, len(target))
    rows = len(bounds) - 1
    impossible = math.nan
    if logging_probability is not None:
        logged = shares("logging_probability", logging_probability, len(target))
        impossible = float(policy_mean(target, logged == 0, bounds).mean())
    if (group is None) != (chosen_group is None):
        raise InputError("group and chosen_group go together: give both, or neither")
    if group is None or chosen_group is None:
        return Support(impossible, math.nan)
    names, code = np.unique(one_dimensional("group", group, len(target)), return_inverse=True)
    seen = np.isin(names, one_dimensional("chosen_group", chosen_group, rows))
    mass: Floats = np.bincount(code, weights=target, minlength=len(names)) / rows
    unseen: NDArray[np.intp] = np.flatnonzero(~seen & (mass > 0))
    largest = unseen[np.argsort(-mass[unseen], kind="stable")]
    return Support(
        impossible,
        float(mass[unseen].sum()),
        {int(names[place]): float(mass[place]) for place in largest},
    )


@dataclass(frozen=True)
class Diagnostics:
    """All that can be said about overlap before looking at any outcome."""

    overlap: Overlap
    tail: WeightTail | None  # None: every weight is 0
    support: Support | None  # None: not asked
    warnings: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against estimates from these weights."""
        return not self.warnings


def diagnose(
    weight: ArrayLike,
    user: ArrayLike | Clusters | None = None,
    *,
    support: Support | None = None,
    thresholds: Thresholds | None = None,
) -> Diagnostics:
    """Say in plain sentences whether these weights carry an estimate.

    Args:
        weight: float [n], target probability by propensity of the logged choice.
        user: [n] cluster ids, or None.
        support: from `support`, where it can be had.
        thresholds: when to warn; None: the configuration's defaults.

    Raises:
        InputError: empty, negative or not finite.
    """
    limits = thresholds or Thresholds()
    found = overlap(weight, user)
    notes = list(found.warnings(limits))
    tail = weight_tail(weight) if found.effective_size else None
    if support is not None and support.impossible > limits.max_unsupported:
        notes.append(f"{support.impossible:.1%} of the target's probability is on what the log could not do")
    if support is not None and support.unseen > limits.max_unsupported:
        notes.append(f"{support.unseen:.1%} of the target's probability is on what the log never did")
    return Diagnostics(found, tail, support, tuple(notes))


def _kish(weight: Floats) -> float:
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares else 0.0
