"""May the learned policy go to a test on users, and for whom is it better?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.evaluation import Guardrail, Thresholds, Verdict
from homing.lifecycle.estimates import shown, worth
from homing.lifecycle.release import Release
from homing.lifecycle.valuation import Valued
from homing.report.facts import Gate, ObjectiveValues, SegmentGain
from homing.schema import Config, Vocabularies
from homing.state import STAGES

_MOST = 12  # segments of a column, the rest is one more; and columns
_MISSING, _OTHER = "(missing)", "(other)"


def guardrails(tables: Sequence[ObjectiveValues]) -> tuple[Guardrail, ...]:
    """Return the guarded objectives, with what the learned policy would make of them."""
    return tuple(
        Guardrail(
            table.objective,
            policy.value.value,
            policy.value.low,
            policy.value.high,
            table.guardrail,
            table.direction,
        )
        for table in tables
        for policy in table.policies
        if table.guardrail is not None and policy.learned
    )


def gate_of(tables: Sequence[ObjectiveValues], faults: Sequence[str]) -> Gate | None:
    """Return whether the learned policy may go to a test; None where it was not valued.

    Args:
        tables: the utility first.
        faults: of the log.
    """
    verdicts = {
        table.objective: Verdict(policy.judgement, policy.reason)
        for table in tables
        for policy in table.policies
        if policy.learned and policy.judgement != "reference"
    }
    if tables[0].objective not in verdicts:
        return None
    found = evaluation.gate(verdicts, tables[0].objective, guardrails(tables), faults)
    return Gate(found.allowed, found.reasons)


@dataclass(frozen=True)
class Gains:
    """What a policy brings beyond the log in each decision: `sum_a pi q + w (r - q) - r`, of the utility."""

    rows: NDArray[np.intp]  # of the decisions whose outcome is known
    gain: NDArray[np.float64]  # [rows]
    weight: NDArray[np.float64]  # [rows] of the policy


def utility_gains(release: Release, valued: Valued, policy: int) -> Gains:
    """Return doubly robust gains of the policy at a place among those that were valued."""
    weights = release.weights
    known = np.flatnonzero(np.isfinite(valued.outcome[:, np.flatnonzero(weights)]).all(axis=1))
    outcome = worth(valued.outcome[known], weights)
    weight = valued.weight[known, policy].astype(np.float64)
    gain = worth(valued.direct[known, policy], weights) - outcome
    gain += weight * (outcome - worth(valued.fitted[known], weights))
    return Gains(known, gain, weight)


def segment_gains(
    config: Config, release: Release, vocabularies: Vocabularies, valued: Valued, policy: int
) -> tuple[SegmentGain, ...]:
    """Return what a policy brings beyond the log, by user column and by the channels on offer.

    Columns are the first twelve categorical ones.
    """
    gains = utility_gains(release, valued, policy)
    columns = _columns(vocabularies, valued, gains.rows)
    if not len(gains.rows) or not columns:
        return ()
    segments = evaluation.by_segment(
        gains.gain,
        columns,
        valued.user[gains.rows],
        gains.weight,
        confidence=config.evaluation.confidence,
        replications=config.evaluation.bootstrap or 500,
        seed=config.training.seed,
        thresholds=Thresholds.of(config.evaluation),
    )
    return tuple(SegmentGain(s.column, s.name, shown(s.estimate), s.share, s.judgement) for s in segments)


def _columns(
    vocabularies: Vocabularies, valued: Valued, known: NDArray[np.intp]
) -> dict[str, NDArray[np.str_]]:
    """Return the segment of each known row by column; columns of one segment are left out."""
    categorical = list(vocabularies.categorical.get("users", {}).items())[:_MOST]
    columns = {
        name: _named(words.names, valued.traits[known, place])
        for place, (name, words) in enumerate(categorical)
    }
    offered = valued.offered[known] > 0
    sets, code = np.unique(offered, axis=0, return_inverse=True)
    channels = vocabularies.channels.names
    labels = [" + ".join(n for n, on in zip(channels, row, strict=True) if on) or "none" for row in sets]
    columns["channels on offer"] = _named(labels, code.reshape(-1).astype(np.int32))
    columns["lifecycle stage"] = np.array(STAGES)[valued.stage[known]]
    for place, name in enumerate(vocabularies.domains.names[:_MOST]):
        columns[f"{name} on offer"] = np.where(valued.domains[known, place], "yes", "no")
    return {name: column for name, column in columns.items() if len(np.unique(column)) > 1}


def _named(names: Sequence[str], code: NDArray[np.int32]) -> NDArray[np.str_]:
    """Return the name of each code; rare ones are put together."""
    labels = np.array([*names, _MISSING])  # the last one is that of -1
    counts = np.bincount(code % len(labels), minlength=len(labels))
    labels[np.argsort(-counts, kind="stable")[_MOST:]] = _OTHER
    return labels[code]
