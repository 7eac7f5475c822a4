"""Estimates from a log that does not fit into memory, in one pass over its parts.

Every estimator is a sum of ratios of totals by user, so a pass keeps the totals of each user and drops the
rows: 8 bytes for each of 2 + 4 x policies columns, and 26 to 44 for the user's id and its place in a table.
Two million users and one policy take about 150 MB, whatever the number of decisions; arrays grow by doubling.
Rows may come in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.evaluation.clusters import Clusters
from homing.evaluation.diagnostics.overlap import Thresholds, overlap_of_totals
from homing.evaluation.diagnostics.tail import largest_values
from homing.evaluation.estimate import Estimate, Ratio, estimate_from
from homing.evaluation.estimators.one_decision import importance_weights
from homing.evaluation.estimators.weighted import estimate_of_overlap
from homing.evaluation.inputs import Floats, finite, one_dimensional, policy_mean, ragged
from homing.evaluation.streaming.user_codes import UserCodes
from homing.schema.errors import InputError
from homing.schema.logged import LoggedRows

LOGGING: Final = "logging"
_SHARED: Final = 2  # columns of all policies: decisions, rewards
_OF_POLICY: Final = 4  # columns of each: weights, w r, sum_a pi q, w (r - q)
_TOP: Final = 1 << 15  # largest weights kept of each policy: the whole tail of 119 million rows


def stream(
    parts: Iterable[LoggedRows], *, confidence: float = 0.95, thresholds: Thresholds | None = None
) -> dict[str, dict[str, Estimate]]:
    """Return policy -> estimator -> estimate, equal to those of the whole log at once.

    `on_policy` for the policy named logging; `ips` and `snips` for each target, and where there are
    predictions `dm`, `dr` and `sndr`. All are of the same users, so `difference`, `bootstrap` and the other
    intervals apply.

    Args:
        parts: of one log, with the same targets in each.
        confidence: of the intervals.
        thresholds: when to warn of thin overlap; None: the configuration's defaults.

    Raises:
        InputError: no parts, other targets than in the first, or what the estimators themselves refuse.
    """
    totals: _Totals | None = None
    for part in parts:
        if totals is None:
            totals = _Totals(tuple(part.targets), part.prediction is not None)
        totals.add(part)
    if totals is None:
        raise InputError("parts is empty; an estimate over nothing is not zero, so there is none")
    return totals.estimates(confidence, thresholds)


@dataclass
class _Weights:
    squares: float = 0.0
    top: Floats = field(default_factory=lambda: np.zeros(0))  # the largest, rising

    def keep(self, weight: Floats) -> None:
        """Take in what belongs to the largest."""
        more = weight[weight > self.top[0]] if len(self.top) == _TOP else weight
        if len(more):
            self.top = largest_values(np.concatenate([self.top, more]), _TOP)


class _Totals:
    """Totals of each user, and what overlap needs of the weights."""

    def __init__(self, policies: tuple[str, ...], predicted: bool) -> None:
        if not policies or LOGGING in policies:
            raise InputError(f"targets are {policies}, must be at least one and none named {LOGGING!r}")
        self.policies, self.predicted, self.rows = policies, predicted, 0
        self.users = UserCodes()
        self.weights = {policy: _Weights() for policy in policies}
        self.columns = np.zeros((_SHARED + _OF_POLICY * len(policies), 0))  # [columns, capacity]

    def add(self, part: LoggedRows) -> None:
        reward = finite("reward", part.reward)
        rows = len(reward)
        user = one_dimensional("user", part.user, rows)
        if user.dtype.kind not in "iu":
            raise InputError(f"user has dtype {user.dtype}, must be integers; hash ids that are text")
        if tuple(part.targets) != self.policies or (part.prediction is not None) != self.predicted:
            raise InputError(
                f"a part has targets {tuple(part.targets)} and {_no(part.prediction is None)}predictions, "
                f"must have {self.policies} and {_no(not self.predicted)}predictions like the first"
            )
        place = _places(part, rows)
        code = self.users.encode(user)
        self._reserve(self.users.count)
        self.rows += rows
        self._sum(0, code, 1.0)
        self._sum(1, code, reward)
        of_choice: Floats | None = None
        if part.prediction is not None:
            of_choice = finite("prediction", part.prediction[place])
        for k, (policy, target) in enumerate(part.targets.items()):
            weight = importance_weights(target[place], part.propensity)
            seen, first = self.weights[policy], _SHARED + _OF_POLICY * k
            seen.squares += float(weight @ weight)
            seen.keep(weight)
            self._sum(first, code, weight)
            self._sum(first + 1, code, weight * reward)
            if part.prediction is not None and of_choice is not None:
                self._sum(first + 2, code, policy_mean(target, part.prediction, part.offsets))
                self._sum(first + 3, code, weight * (reward - of_choice))

    def estimates(self, confidence: float, thresholds: Thresholds | None) -> dict[str, dict[str, Estimate]]:
        order = np.argsort(self.users.ids)  # so that parts in another order give the same
        counts, rewards, *rest = (column[: self.users.count][order] for column in self.columns)
        users = Clusters(self.rows, self.users.ids[order], None, counts)
        on_policy = estimate_from(
            "on_policy",
            [Ratio(rewards, counts)],
            users,
            confidence=confidence,
            effective_size=float(self.rows),
            max_weight=1.0,
        )
        found = {LOGGING: {"on_policy": on_policy}}
        for k, policy in enumerate(self.policies):
            weight, value, direct, correction = rest[_OF_POLICY * k : _OF_POLICY * (k + 1)]
            seen = self.weights[policy]
            overlap = overlap_of_totals(weight, counts, seen.squares, seen.top)
            doubts = overlap.warnings(thresholds or Thresholds())
            ratios = {"ips": [Ratio(value, counts)], "snips": [Ratio(value, weight)]}
            if self.predicted:
                ratios["dr"] = [Ratio(direct + correction, counts)]
                ratios["sndr"] = [Ratio(direct, counts), Ratio(correction, weight)]
            found[policy] = {
                name: estimate_of_overlap(
                    name, of, overlap, doubts, users, confidence, needs_overlap=name != "dr"
                )
                for name, of in ratios.items()
            }
            if self.predicted:
                found[policy]["dm"] = estimate_from(
                    "dm", [Ratio(direct, counts)], users, confidence=confidence
                )
        return found

    def _sum(self, column: int, code: NDArray[np.intp], values: Floats | float) -> None:
        np.add.at(self.columns[column], code, values)

    def _reserve(self, users: int) -> None:
        held = self.columns.shape[1]
        if users > held:
            more = np.zeros((len(self.columns), max(users - held, held)))
            self.columns = np.concatenate([self.columns, more], axis=1)


def _no(missing: bool) -> str:
    return "no " if missing else ""


def _places(part: LoggedRows, rows: int) -> NDArray[np.intp]:
    """Return the place of each row's choice among all candidates."""
    candidates = len(next(iter(part.targets.values())))
    offsets = ragged(part.offsets, candidates, rows)
    place: NDArray[np.intp] = offsets[:-1] + one_dimensional("choice", part.choice, rows)
    outside = np.flatnonzero((place < offsets[:-1]) | (place >= offsets[1:]))
    if len(outside):
        raise InputError(
            f"choice is outside its row's candidates in {len(outside):,} rows (the first: {outside[0]:,}), "
            "must be a place from 0 to the number of them - 1"
        )
    return place
