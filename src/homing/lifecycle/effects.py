"""Learning long-term effects from a log: one pass over randomized decisions, then a curve an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision.replay import batches, replay
from homing.engine import over_shards, worker_count
from homing.evaluation import folds_by_user
from homing.lifecycle.horizons import horizons, with_objectives
from homing.lifecycle.progress import Progress
from homing.lifecycle.replay import View, outcomes_of
from homing.lifecycle.splits import CALIBRATION, TRAIN, Split
from homing.schema import Features, InputError
from homing.store import Workspace, load_shard

if TYPE_CHECKING:
    from homing.models import ResponseModel
    from homing.models.advantage import Advantage, Basis, EffectCurve, EffectMoments

FOLDS: Final = 2  # by user, of response models and baselines
WITHOUT_CHANCE: Final = (
    "no decision was drawn among several candidates, so no long-term effect can be told from chance; "
    "a horizon needs a log with propensities below 1"
)
_SAMPLE: Final = 20_000  # decisions by which the basis is scaled


@dataclass(frozen=True)
class Learned:
    """Long-term effects by all users, and for each fold by the users of the others."""

    whole: Advantage
    by_fold: tuple[Advantage, ...]  # the k-th saw no user of fold k


@dataclass(frozen=True)
class _Seen:
    """Randomized decisions that had a choice."""

    user_hash: NDArray[np.uint64]  # [rows]
    state: NDArray[np.float32]  # [rows, user columns]
    codes: NDArray[np.int32]  # [rows, user code columns]
    chosen: NDArray[np.float32]  # [rows, columns] basis of the logged choice
    sends: NDArray[np.float32]  # [rows, columns] mean basis of the sends in its set
    is_hold: NDArray[np.bool_]  # [rows]
    candidates: NDArray[np.int64]  # [rows]
    propensity: NDArray[np.float64]  # [rows]
    outcome: NDArray[np.float32]  # [rows, objectives * windows] NaN: not known yet

    @classmethod
    def concatenate(cls, parts: list[_Seen]) -> _Seen:
        """Return the rows of all parts, in order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def learn_effects(
    workspace: Workspace,
    view: View,
    split: Split,
    watermark: int,
    response: ResponseModel,
    by_fold: tuple[ResponseModel, ...],
    progress: Progress,
) -> Learned:
    """Learn what a choice changes over each objective's horizon, from the training and calibration decisions.

    Args:
        workspace: whose log is read.
        view: of the release.
        split: of the decisions.
        watermark: until which events are known, us.
        response: fitted on all of them; scales the basis.
        by_fold: response models of which the k-th saw no user of fold k.
        progress: where to report.

    Raises:
        InputError: no decision of the log was drawn among several candidates.
    """
    from homing.models.advantage import (
        Advantage,
        effect_moments,
        fit_baselines,
        noise_levels,
        noise_scale,
        reference_weights,
        window_edges,
    )

    days = horizons(view.config)
    edges = {name: window_edges(horizon) for name, horizon in days.items()}
    basis = _basis(workspace, view, split, response)
    seen = _gather(workspace, view, split, watermark, basis, by_fold, edges, progress)
    share = float(np.clip(seen.is_hold.mean(), 0.02, 0.98))
    weight = reference_weights(seen.propensity, seen.is_hold, seen.candidates, share)
    centred = seen.chosen - np.float32(1 - share) * seen.sends
    fold = folds_by_user(seen.user_hash, FOLDS).astype(np.int64)
    predicted, baseline = fit_baselines(view.spec, seen.state, seen.codes, seen.outcome, fold, FOLDS)
    of_fold = [np.flatnonzero(fold == k) for k in range(FOLDS)]
    curves, totals, first = [], [], 0
    for name, cuts in edges.items():
        windows = slice(first, first + len(cuts) - 1)
        residual, choice = seen.outcome[:, windows] - predicted[:, windows], centred
        foretold = predicted[:, windows].sum(axis=1)
        if view.config.objectives[name].aggregate == "sum":
            scale = noise_scale(foretold, residual)[:, None]
            residual, choice = residual / scale, centred / scale.astype(np.float32)
        level = noise_levels(foretold, seen.is_hold)
        moments = [
            effect_moments(choice[rows], residual[rows], weight[rows], level[rows]) for rows in of_fold
        ]
        curves.append(_curves(moments, cuts, basis.groups))
        totals.append(whole_horizon(baseline.coefficients[:, windows], seen.outcome[:, windows], cuts))
        first = windows.stop
        progress.update("effects", 0.9 + 0.1 * len(curves) / len(edges), name)
    base = replace(baseline, coefficients=np.stack(totals, axis=1))
    whole, *others = (
        Advantage(tuple(days), tuple(days.values()), basis, of, base) for of in zip(*curves, strict=True)
    )
    return Learned(whole, tuple(others))


def _curves(
    moments: list[EffectMoments], edges: tuple[int, ...], groups: NDArray[np.int64]
) -> tuple[EffectCurve, ...]:
    """Return an objective's curve by all folds' moments, then for each fold by those of the others."""
    from homing.models.advantage import fit_curve

    every = [moments, *(moments[:k] + moments[k + 1 :] for k in range(FOLDS))]
    return tuple(fit_curve(sum(parts[1:], parts[0]), edges, groups) for parts in every)


def whole_horizon(
    coefficients: NDArray[np.float64], outcome: NDArray[np.float32], edges: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the baseline of the whole horizon; a window that no row knows is as the last that some do."""
    known = np.flatnonzero(np.isfinite(outcome).any(axis=0))
    length = np.diff(edges)
    last = int(known.max())
    total: NDArray[np.float64] = coefficients[:, known].sum(axis=1)
    total += coefficients[:, last] / length[last] * length[last + 1 :].sum()
    return total


def _basis(workspace: Workspace, view: View, split: Split, response: ResponseModel) -> Basis:
    from homing.models.advantage import measure_basis

    parts: list[Features] = []
    wanted = _SAMPLE
    for partition in range(workspace.ledger.partitions):
        shard = load_shard(workspace, partition).shard
        part = split.assign(shard.users, shard.decisions.user, shard.decisions.epoch_at)
        row = np.flatnonzero((part == TRAIN) | (part == CALIBRATION))[:wanted]
        if len(row):
            parts.append(view.features(shard, replay(shard, row, view.config).candidates))
        wanted -= len(row)
        if wanted <= 0:
            break
    sample = Features.concatenate(parts)
    heads = tuple(head.name for head in response.heads)
    return measure_basis(view.spec, heads, view.config.state.rhythm, sample, response.predict(sample))


def _gather(
    workspace: Workspace,
    view: View,
    split: Split,
    watermark: int,
    basis: Basis,
    by_fold: tuple[ResponseModel, ...],
    edges: Mapping[str, tuple[int, ...]],
    progress: Progress,
) -> _Seen:
    until, partitions = split.outcomes_until(watermark), workspace.ledger.partitions
    cumulative = {
        f"{name} to day {end}": view.config.objectives[name].within(f"{end}d")
        for name, cuts in edges.items()
        for end in cuts[1:]
    }
    counted = with_objectives(view.config, cumulative)
    begins = np.cumsum([0, *(len(cuts) - 1 for cuts in edges.values())])[:-1]

    def of_shard(partition: int) -> list[_Seen]:
        shard = load_shard(workspace, partition).shard
        log, found = shard.decisions, []
        part = split.assign(shard.users, log.user, log.epoch_at)
        wanted = ((part == TRAIN) | (part == CALIBRATION)) & (log.propensity < 1)
        for row in batches(log, wanted):
            replayed = replay(shard, row, view.config)
            several = replayed.candidates.counts > 1
            features = view.features(shard, replayed.candidates)
            starts, counts = features.offsets[:-1], np.diff(features.offsets)
            hashes = shard.users.hash[log.user[replayed.row], 0]
            columns = basis(features, _by_fold(features, hashes, by_fold))
            upto = outcomes_of(shard, replayed.row, counted, until)
            outcome = np.diff(upto, axis=1, prepend=np.float32(0))
            outcome[:, begins] = upto[:, begins]
            sends = np.add.reduceat(columns, starts) / np.maximum(counts - 1, 1)[:, None]
            kept = several & np.isfinite(outcome).any(axis=1)
            found.append(
                _Seen(
                    hashes[kept],
                    features.user[kept],
                    features.user_codes[kept],
                    columns[replayed.chosen[kept]],
                    sends[kept].astype(np.float32),
                    features.is_hold[replayed.chosen[kept]],
                    counts[kept],
                    log.propensity[replayed.row[kept]].astype(np.float64),
                    outcome[kept],
                )
            )
        return found

    parts: list[_Seen] = []
    workers = worker_count(view.config.engine.threads)
    for partition, found in enumerate(over_shards(of_shard, partitions, workers)):
        parts += found
        progress.update("effects", 0.9 * (partition + 1) / partitions, "candidate sets")
    if not any(len(part.propensity) for part in parts):
        raise InputError(WITHOUT_CHANCE)
    return _Seen.concatenate(parts)


def _by_fold(
    features: Features, user_hash: NDArray[np.uint64], models: tuple[ResponseModel, ...]
) -> NDArray[np.float32]:
    """Return responses [n, heads], each row by the model that did not see its user."""
    fold = folds_by_user(user_hash, FOLDS)
    result = np.empty((len(features), len(models[0].heads)), np.float32)
    for k, model in enumerate(models):
        rows = np.flatnonzero(fold == k)
        if len(rows):
            result[np.isin(features.row, rows)] = model.predict(features.take_rows(rows))
    return result
