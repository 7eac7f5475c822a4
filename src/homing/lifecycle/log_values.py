"""What policies are worth, from a log of any origin and size in Parquet, without a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homing import evaluation
from homing.evaluation import Direction
from homing.lifecycle.estimates import LOGGING, shown
from homing.report.facts import EstimatorValue, ObjectiveValues, PolicyValue
from homing.store import LogColumns, read_logged_rows

_NAMES = {"ips": "IPS", "snips": "SNIPS", "dm": "DM", "dr": "DR", "sndr": "SNDR"}


def value_log(
    paths: Sequence[Path],
    columns: LogColumns,
    *,
    direction: Direction = "up",
    confidence: float = 0.95,
    resamples: int = 0,
    seed: int = 0,
) -> ObjectiveValues:
    """Return the log's own policy and every target, with intervals by user and verdicts; in one pass.

    The headline is DR where the log has predictions, and SNIPS where it has none. Memory grows with users
    and not with rows (`homing.evaluation.stream`).

    Args:
        paths: of Parquet files of the same columns.
        columns: what they are called.
        direction: whether more of the outcome is better.
        confidence: of the intervals.
        resamples: of users, for the headline's bootstrap interval; 0: none.
        seed: of the resamples.

    Raises:
        InputError: as `read_logged_rows` and `stream`.
    """
    found = evaluation.stream(read_logged_rows(paths, columns), confidence=confidence)
    logging = found[LOGGING]["on_policy"]
    headline = "dr" if columns.prediction else "snips"
    rows = [
        PolicyValue(
            LOGGING,
            shown(logging),
            "reference",
            "the mean of the log",
            effective_size=logging.effective_size,
        )
    ]
    for policy in columns.targets:
        best = found[policy][headline]
        gap = evaluation.difference(best, logging)
        verdict = evaluation.judge(gap, best.warnings, direction)
        listed = [
            EstimatorValue(name, shown(found[policy][kind]))
            for kind, name in _NAMES.items()
            if kind in found[policy]
        ]
        if resamples:
            again = shown(evaluation.bootstrap(best, resamples, seed))
            listed.append(EstimatorValue(f"{_NAMES[headline]} (bootstrap)", again))
        rows.append(
            PolicyValue(
                policy,
                shown(best),
                verdict.judgement,
                verdict.reason,
                shown(gap),
                estimators=tuple(listed),
                effective_size=best.effective_size,
                effective_share=best.effective_size / best.decisions,
                max_weight=best.max_weight,
                more_decisions=verdict.more_decisions,
            )
        )
    basis = f"{logging.decisions:,} decisions of {logging.users:,} users"
    meaning = f"per decision by {_NAMES[headline]}; {basis}"
    return ObjectiveValues(columns.reward, "number", tuple(rows), direction, meaning=meaning)
