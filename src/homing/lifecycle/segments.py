"""May the learned policy go to a test on users, and for whom is it better?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.evaluation import Guardrail, Thresholds, Verdict
from homing.lifecycle.estimates import shown, worth
from homing.lifecycle.release import Release
from homing.lifecycle.valuation import Valued
from homing.report.facts import Gate, ObjectiveValues, PolicyValue, SegmentGain
from homing.schema import Config, Vocabularies
from homing.state import STAGES

_MOST = 12  # segments of a column, the rest is one more; and columns
_MISSING, _OTHER = "(missing)", "(other)"


def gate_of(tables: Sequence[ObjectiveValues], faults: Sequence[str]) -> Gate | None:
    """Return whether the learned policy may go to a test; None where it was not valued.

    Args:
        tables: the utility first.
        faults: of the log.
    """
    learned = {
        table.objective: (table, policy)
        for table in tables
        for policy in table.policies
        if policy.learned and policy.judgement != "reference"
    }
    if tables[0].objective not in learned:
        return None
    found = evaluation.gate(
        {name: _verdict(policy) for name, (_, policy) in learned.items()},
        tables[0].objective,
        [
            Guardrail(name, value.value, value.low, value.high, table.guardrail, table.direction)
            for name, (table, policy) in learned.items()
            for value in [policy.value]
            if table.guardrail is not None
        ],
        faults,
    )
    return Gate(found.allowed, found.reasons)


def _verdict(policy: PolicyValue) -> Verdict:
    assert policy.judgement != "reference"
    return Verdict(policy.judgement, policy.reason)


def segment_gains(
    config: Config, release: Release, vocabularies: Vocabularies, valued: Valued, policy: int
) -> tuple[SegmentGain, ...]:
    """Return what a policy brings beyond the log, by user column and by the channels on offer.

    Columns are the first twelve categorical ones. Gains are doubly robust and of the utility,
    `sum_a pi q + w (r - q) - r` of each decision.
    """
    weights = release.weights
    known = np.flatnonzero(np.isfinite(valued.outcome[:, np.flatnonzero(weights)]).all(axis=1))
    columns = _columns(vocabularies, valued, known)
    if not len(known) or not columns:
        return ()
    outcome = worth(valued.outcome[known], weights)
    gain = worth(valued.direct[known, policy], weights) - outcome
    weight = valued.weight[known, policy].astype(np.float64)
    gain += weight * (outcome - worth(valued.fitted[known], weights))
    segments = evaluation.by_segment(
        gain,
        columns,
        valued.user[known],
        weight,
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
