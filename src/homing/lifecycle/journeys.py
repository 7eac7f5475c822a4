"""Where users stand in their lifecycle, where they go from there, and what they are worth on the way.

A decision's user has a stage at its epoch and another one `evaluation.journey` later; both are told from
events alone. Under the logging policy the flow from stage to stage is a mean of the log. Under the learned
policy it is what the flow would be had that policy made this one decision, and the logging policy those after
it: logged choices are weighed by w = pi / p. Nothing is said of what many changed decisions add up to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.evaluation import Clusters, Thresholds, cluster, segment_mean, simultaneous
from homing.lifecycle.estimates import Target, shown, targets, worth
from homing.lifecycle.release import Release
from homing.lifecycle.tradeoff import evaluation_of_release
from homing.lifecycle.valuation import Valued
from homing.report.facts import Estimate, Flow, Journeys, Named, StageValue
from homing.schema import Config, WorkspaceError
from homing.state import STAGES
from homing.store import Workspace

EVERYONE: Final = "everyone"
_RESAMPLES: Final = 1_000  # of the quantile that makes intervals hold together


def journeys(workspace: Workspace) -> Journeys:
    """Return what the newest evaluation found of users' journeys.

    Raises:
        WorkspaceError: the current release has not been evaluated, or no later stage was known.
    """
    found = evaluation_of_release(workspace).journeys
    if found is None:
        after = workspace.config.evaluation.journey
        raise WorkspaceError(
            f"no held-out decision is {after} older than the newest event, so no later stage is known; lower "
            "evaluation.journey, ingest later events, and run 'homing evaluate'"
        )
    return found


def find_journeys(config: Config, release: Release, valued: Valued, policy: int) -> Journeys | None:
    """Return flows between stages and values by stage, logged and under a policy.

    None where no decision's later stage is known. Intervals of changes hold together over all flows, and over
    the stages of an objective.

    Args:
        config: the workspace's, horizons as windows.
        release: whose objectives count.
        valued: held-out decisions.
        policy: its place among those that were valued.
    """
    known = np.flatnonzero(valued.later >= 0)
    if not len(known):
        return None
    shares = np.bincount(valued.stage[known], minlength=len(STAGES)) / len(known)
    return Journeys(
        after=config.evaluation.journey,
        decisions=len(known),
        shares=tuple(Named(name, float(share)) for name, share in zip(STAGES, shares, strict=True)),
        flows=_flows(
            config, valued.stage[known], valued.later[known], valued.weight[known, policy], valued.user[known]
        ),
        values=tuple(
            row
            for target in targets(config, release, valued)
            if target.known.any()
            for row in _values(config, valued, target, policy)
        ),
        confidence=config.evaluation.confidence,
    )


def _flows(
    config: Config,
    stage: NDArray[np.int8],
    later: NDArray[np.int8],
    weight: NDArray[np.float32],
    user: NDArray[np.int64],
) -> tuple[Flow, ...]:
    """Return one flow for each stage that users start from and each that they can be in later.

    The change is `mean((w - 1) (r - m))` with r whether the user is there later and m its mean in the stage:
    doubly robust with a prediction that looks at the stage alone, since one message hardly moves r. Its bias
    by m, which saw r, is of order 1 / n, as that of SNIPS.
    """
    clusters, w = cluster(user, len(user)), weight.astype(np.float64)
    starts = [(name, stage == place) for place, name in enumerate(STAGES) if (stage == place).any()]
    starts.append((EVERYONE, np.ones(len(stage), np.bool_)))
    there = [(later == place).astype(np.float64) for place in range(len(STAGES))]
    counts = np.maximum(np.bincount(stage, minlength=len(STAGES)), 1)
    gains = [
        (w - 1) * (r - (np.bincount(stage, weights=r, minlength=len(STAGES)) / counts)[stage]) for r in there
    ]
    cells = [(start, inside, end) for start, inside in starts for end in range(len(STAGES))]
    changes = _together(config, [(gains[end], inside) for _, inside, end in cells], w, clusters)
    return tuple(
        Flow(
            start,
            STAGES[end],
            _shown(_mean(config, there[end], inside, clusters)),
            _shown(change),
            _more_or_less(change),
        )
        for (start, inside, end), change in zip(cells, changes, strict=True)
    )


def _values(config: Config, valued: Valued, target: Target, policy: int) -> list[StageValue]:
    known = np.flatnonzero(target.known)
    outcome = worth(valued.outcome[known], target.weights)
    w = valued.weight[known, policy].astype(np.float64)
    gain = worth(valued.direct[known, policy], target.weights) - outcome
    gain += w * (outcome - worth(valued.fitted[known], target.weights))
    clusters, stage = cluster(valued.user[known], len(known)), valued.stage[known]
    parts = [(name, stage == place) for place, name in enumerate(STAGES) if (stage == place).any()]
    changes = _together(config, [(gain, inside) for _, inside in parts], w, clusters)
    return [
        StageValue(
            name,
            target.name,
            target.unit,
            _shown(_mean(config, outcome, inside, clusters)),
            _shown(change),
            evaluation.judge(change, change.warnings, target.direction).judgement,
        )
        for (name, inside), change in zip(parts, changes, strict=True)
    ]


def _together(
    config: Config,
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]],
    weight: NDArray[np.float64],
    clusters: Clusters,
) -> tuple[evaluation.Estimate, ...]:
    """Return the mean of each gain over its rows, with intervals that hold together."""
    settings = config.evaluation
    thresholds = Thresholds.of(settings)
    found = [
        segment_mean("dr", gain, weight, inside, clusters, settings.confidence, thresholds)
        for gain, inside in parts
    ]
    return simultaneous(found, settings.confidence, _RESAMPLES, config.training.seed)


def _mean(
    config: Config, outcome: NDArray[np.float64], inside: NDArray[np.bool_], clusters: Clusters
) -> evaluation.Estimate:
    """Return the log's mean over some rows."""
    return segment_mean(
        "on_policy",
        outcome,
        np.ones(len(outcome)),
        inside,
        clusters,
        config.evaluation.confidence,
        Thresholds(0, 0),
    )


def _shown(estimate: evaluation.Estimate) -> Estimate:
    """Return an estimate as a report shows it; of what never varied there is a value and no interval."""
    return shown(estimate) if estimate.std_error > 0 else Estimate(estimate.value)


def _more_or_less(change: evaluation.Estimate) -> Literal["more", "less", "cannot_tell", "do_not_trust"]:
    if change.warnings:
        return "do_not_trust"
    if change.low > 0 or change.high < 0:
        return "more" if change.low > 0 else "less"
    return "cannot_tell"
