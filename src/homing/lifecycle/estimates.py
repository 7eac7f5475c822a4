"""From weights, outcomes and predictions to what policies are worth, objective by objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.evaluation import Clusters, Direction, Thresholds, cluster
from homing.lifecycle.release import Release
from homing.lifecycle.valuation import Valued
from homing.report.facts import (
    Estimate,
    EstimatorValue,
    ObjectiveValues,
    PolicyValue,
    Truth,
    Unit,
)
from homing.schema import Config, Vocabularies
from homing.schema.config import Objective

UTILITY = "utility"
LOGGING = "logging"
_CONSTANT = ("constant:", "hold")


def unit_of(objective: Objective) -> Unit:
    """Return whether the objective's mean is a share of the decisions or another number."""
    return "rate" if objective.aggregate == "any" else "number"


def meaning_of(objective: Objective) -> str:
    """Return an objective in words."""
    what = {
        "any": f"{objective.event} at least once",
        "count": f"{objective.event} events",
        "sum": f"total value of {objective.event} events",
        "active_days": f"days with {objective.event}",
    }[objective.aggregate]
    cause = " caused by the decision" if objective.scope == "decision" else ""
    return f"{what}{cause}, within {objective.window} of the decision"


@dataclass(frozen=True)
class Target:
    """What is estimated: an objective, or the utility of all of them."""

    name: str
    unit: Unit
    direction: Direction
    weights: NDArray[np.float64]  # [objectives] whose weighted sum it is
    known: NDArray[np.bool_]  # [rows] whose outcome is complete
    spec: Objective | None = None  # of an objective


def targets(config: Config, release: Release, valued: Valued) -> tuple[Target, ...]:
    """Return the utility and every objective.

    Where a single objective has a weight, it is the utility, and comes first.
    """
    weights, found = release.weights, []
    if np.count_nonzero(weights) != 1:
        known: NDArray[np.bool_] = np.all(np.isfinite(valued.outcome), axis=1)
        found.append(Target(UTILITY, "number", "up", weights, known))
    for k in np.argsort(weights == 0, kind="stable").tolist() if not found else range(len(weights)):
        name = release.objectives[k]
        objective = config.objectives[name]
        known = np.isfinite(valued.outcome[:, k])
        only = np.eye(len(weights))[k]
        found.append(Target(name, unit_of(objective), objective.direction, only, known, objective))
    return tuple(found)


def objective_values(
    config: Config, release: Release, names: Sequence[str], valued: Valued
) -> tuple[ObjectiveValues, ...]:
    """Return the utility and every objective under the logging policy and the named ones."""
    return tuple(_table(config, names, valued, target) for target in targets(config, release, valued))


def _table(config: Config, names: Sequence[str], valued: Valued, target: Target) -> ObjectiveValues:
    policies: tuple[PolicyValue, ...] = ()
    if target.known.any():
        policies = _policies(config, names, valued, target)
    spec = target.spec
    parts = [f"{w:g} x {n}" for n, w in zip(config.objectives, target.weights, strict=True) if w]
    return ObjectiveValues(
        objective=target.name,
        unit=target.unit,
        policies=policies,
        direction=target.direction,
        weight=spec.weight if spec else np.nan,
        guardrail=spec.guardrail if spec else None,
        meaning=meaning_of(spec) if spec else " + ".join(parts).replace("+ -", "- "),
    )


def _policies(
    config: Config, names: Sequence[str], valued: Valued, target: Target
) -> tuple[PolicyValue, ...]:
    known, weights, direction = target.known, target.weights, target.direction
    settings, clusters = config.evaluation, cluster(valued.user[known], int(known.sum()))
    thresholds = Thresholds.of(settings)
    outcome, fitted = worth(valued.outcome[known], weights), worth(valued.fitted[known], weights)
    logging = evaluation.on_policy(outcome, clusters, confidence=settings.confidence)
    found = [
        _estimators(
            outcome,
            fitted,
            worth(valued.direct[known, policy], weights),
            valued.weight[known, policy].astype(np.float64),
            clusters,
            settings.confidence,
            thresholds,
        )
        for policy in range(len(names))
    ]
    constants = {
        name: estimators["DR"].value
        for name, estimators in zip(names, found, strict=True)
        if name.startswith(_CONSTANT) and not estimators["DR"].warnings
    }
    constant = _best(constants, direction)
    reference = dict(zip(names, found, strict=True))[constant]["DR"] if constant else None
    rows = [
        PolicyValue(
            LOGGING, shown(logging), "reference", "the mean of the log", effective_size=float(known.sum())
        )
    ]
    for name, estimators in zip(names, found, strict=True):
        headline = estimators["DR"]
        gap = evaluation.difference(headline, logging)
        verdict = evaluation.judge(gap, headline.warnings, direction)
        bootstrapped = (
            evaluation.bootstrap(headline, settings.bootstrap, config.training.seed)
            if settings.bootstrap
            else None
        )
        listed = [EstimatorValue(kind, shown(estimate)) for kind, estimate in estimators.items()]
        if bootstrapped is not None:
            listed.append(EstimatorValue("DR (bootstrap)", shown(bootstrapped)))
        versus = None
        if reference is not None and name != constant:
            versus = shown(evaluation.difference(headline, reference))
        rows.append(
            PolicyValue(
                policy=name,
                value=shown(headline),
                judgement=verdict.judgement,
                reason=verdict.reason,
                more_decisions=verdict.more_decisions,
                versus_logging=shown(gap),
                versus_constant=versus,
                estimators=tuple(listed),
                effective_size=headline.effective_size,
                effective_share=headline.effective_size / headline.decisions,
                max_weight=headline.max_weight,
                learned=name == "learned",
            )
        )
    return tuple(rows)


def worth(columns: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return objectives [rows, objectives] by their weights: [rows]; those without weight may be unknown."""
    used = np.flatnonzero(weights)
    weighted: NDArray[np.float64] = columns[:, used].astype(np.float64) @ weights[used]
    return weighted


def _estimators(
    outcome: NDArray[np.float64],
    fitted: NDArray[np.float64],
    direct: NDArray[np.float64],
    weight: NDArray[np.float64],
    clusters: Clusters,
    confidence: float,
    thresholds: Thresholds,
) -> dict[str, evaluation.Estimate]:
    certain, offsets = _summed(len(outcome))
    return {
        "IPS": evaluation.ips(outcome, weight, clusters, confidence=confidence, thresholds=thresholds),
        "SNIPS": evaluation.snips(outcome, weight, clusters, confidence=confidence, thresholds=thresholds),
        "DM": evaluation.dm(certain, offsets, direct, clusters, confidence=confidence),
        "DR": _doubly_robust(outcome, fitted, direct, weight, clusters, confidence, thresholds),
    }


def _doubly_robust(
    outcome: NDArray[np.float64],
    fitted: NDArray[np.float64],
    direct: NDArray[np.float64],
    weight: NDArray[np.float64],
    clusters: Clusters,
    confidence: float,
    thresholds: Thresholds,
) -> evaluation.Estimate:
    certain, offsets = _summed(len(outcome))
    return evaluation.dr(
        outcome,
        weight,
        certain,
        direct,
        fitted,
        offsets,
        clusters,
        confidence=confidence,
        thresholds=thresholds,
    )


def _summed(rows: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return probabilities and offsets of one candidate a row: replay took the sum over candidates."""
    return np.ones(rows), np.arange(rows + 1)


def doubly_robust(
    config: Config, valued: Valued, target: Target, policies: Sequence[int]
) -> list[evaluation.Estimate]:
    """Return the DR estimate of each policy, by its place among those that were valued; of the same users."""
    known, weights = np.flatnonzero(target.known), target.weights
    outcome, fitted = worth(valued.outcome[known], weights), worth(valued.fitted[known], weights)
    clusters = cluster(valued.user[known], len(known))
    return [
        _doubly_robust(
            outcome,
            fitted,
            worth(valued.direct[known, policy], weights),
            valued.weight[known, policy].astype(np.float64),
            clusters,
            config.evaluation.confidence,
            Thresholds.of(config.evaluation),
        )
        for policy in policies
    ]


def best_constant(tables: Sequence[ObjectiveValues]) -> str | None:
    """Return the constant policy (hold among them) of the highest value in the first table.

    Constants that the log does not carry an estimate of are left out: nothing is known about them.
    """
    first = tables[0]
    values = {
        p.policy: p.value.value
        for p in first.policies
        if p.policy.startswith(_CONSTANT) and p.judgement != "do_not_trust"
    }
    return _best(values, first.direction)


def _best(values: dict[str, float], direction: Direction) -> str | None:
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    if not known:
        return None
    pick = max if direction == "up" else min
    return pick(known, key=lambda name: known[name])


def compare_logs(
    config: Config,
    release: Release,
    vocabularies: Vocabularies,
    names: Sequence[str],
    valued: Valued,
    logs: Sequence[int],
) -> tuple[Truth, ...]:
    """Estimate each logging policy from each other one's log, beside its own mean."""
    settings = config.evaluation
    thresholds = Thresholds.of(settings)
    facts = []
    for k, objective in enumerate(release.objectives):
        known = np.isfinite(valued.outcome[:, k])
        for target in logs:
            policy = f"release:{vocabularies.releases.names[target]}"
            place = list(names).index(policy)
            own = known & (valued.release == target)
            truth = evaluation.on_policy(
                valued.outcome[own, k].astype(np.float64),
                cluster(valued.user[own], int(own.sum())),
                confidence=settings.confidence,
            )
            for log in (code for code in logs if code != target):
                rows = known & (valued.release == log)
                estimators = _estimators(
                    valued.outcome[rows, k].astype(np.float64),
                    valued.fitted[rows, k].astype(np.float64),
                    valued.direct[rows, place, k].astype(np.float64),
                    valued.weight[rows, place].astype(np.float64),
                    cluster(valued.user[rows], int(rows.sum())),
                    settings.confidence,
                    thresholds,
                )
                doubts = estimators["DR"].warnings
                facts.append(
                    Truth(
                        policy=policy,
                        log=vocabularies.releases.names[log],
                        objective=objective,
                        unit=unit_of(config.objectives[objective]),
                        truth=shown(truth),
                        estimators=tuple(EstimatorValue(kind, shown(e)) for kind, e in estimators.items()),
                        effective_size=estimators["DR"].effective_size,
                        decisions=int(rows.sum()),
                        judgement="do_not_trust" if doubts else "reference",
                        reason=doubts[0] if doubts else "",
                    )
                )
    return tuple(facts)


def shown(estimate: evaluation.Estimate) -> Estimate:
    """Return an estimate as a report shows it."""
    return Estimate(estimate.value, estimate.low, estimate.high)
