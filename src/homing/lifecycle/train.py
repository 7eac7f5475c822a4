"""From the ledger to a release, in five steps.

1. Split the decisions whose outcomes are complete.
2. Replay the chosen candidates: state and features as of each epoch, outcomes after it.
3. Fit one network with a head per objective; calibrate it on later decisions.
4. Replay candidate sets, and set the temperature that the wished exploration asks for.
5. Freeze it all as a release.

With a horizon, step 3 also learns what each choice changes until then, in several ways, and compares their
policies on users whom they did not see: `lifecycle/selection.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from homing.decision import resolve_temperature, utility
from homing.decision.ragged import offsets_of
from homing.decision.replay import batches, replay
from homing.engine import over_shards, worker_count
from homing.evaluation import folds_by_user
from homing.lifecycle.alerts import selection_alerts
from homing.lifecycle.effects import FOLDS, WITHOUT_CHANCE, learn_effects
from homing.lifecycle.horizons import horizons, responding
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.lifecycle.release import Release, save_release, signed_weights
from homing.lifecycle.replay import View, chosen_candidates, observed_until, outcomes_of
from homing.lifecycle.selection import select_learner
from homing.lifecycle.splits import CALIBRATION, TRAIN, Split, plan_split
from homing.report.facts import Selection
from homing.schema import Config, Features, InputError
from homing.schema.config import Objective
from homing.schema.times import DAY, MISSING, parse_duration
from homing.state import StateLayout, feature_spec, population_rhythm
from homing.store import Workspace, load_shard

if TYPE_CHECKING:
    from homing.models import Head, LongTermModel, ResponseModel

_TEMPERATURE_ROWS = 20_000  # decisions on which the automatic temperature is found


@dataclass(frozen=True)
class Trained:
    """What training made and what it cost."""

    release: Release
    rows: dict[str, int]  # decisions by part
    record: Record
    timings: Timings


@dataclass(frozen=True)
class _Examples:
    features: Features  # one candidate, the chosen one, a row
    outcomes: NDArray[np.float32]  # [rows, objectives]
    part: NDArray[np.int8]  # [rows] TRAIN or CALIBRATION
    user_hash: NDArray[np.uint64]  # [rows]


def train(workspace: Workspace, progress: Progress | None = None) -> Trained:
    """Train on the workspace's log and make the release current.

    Raises:
        InputError: the log has no decisions with complete outcomes.
    """
    progress, timings, config = progress or Silent(), Timings(), workspace.config
    vocabularies, watermark = workspace.ledger.vocabularies(), observed_until(workspace)
    with timings.measure("split"):
        split, rhythm = survey(workspace, watermark, progress)
    layout = StateLayout.from_config(config, vocabularies)
    view = View(config, layout, feature_spec(layout, vocabularies), rhythm)
    with timings.measure("replay"):
        examples = _examples(workspace, view, split, watermark, progress)
    with timings.measure("fit"):
        response = _fit(config, examples, progress)
    model: ResponseModel | LongTermModel = response
    selection: Selection | None = None
    if horizons(config):
        with timings.measure("effects"):
            model, selection = _look_ahead(workspace, view, split, watermark, examples, response, progress)
    with timings.measure("temperature"):
        overall, single = _temperatures(workspace, view, model, split, progress)
    release = Release("", config, tuple(config.objectives), overall, single, split, watermark, view, model)
    with timings.measure("save"):
        release = save_release(workspace, release)
    facts = stage_facts(
        workspace, "train", timings, release.id, selection=selection, alerts=selection_alerts(selection)
    )
    record = Record("train", facts)
    save_record(workspace, record)
    rows = {
        name: int((examples.part == part).sum())
        for name, part in (("train", TRAIN), ("calibration", CALIBRATION))
    }
    return Trained(release, rows, record, timings)


def survey(workspace: Workspace, watermark: int, progress: Progress) -> tuple[Split, NDArray[np.float32]]:
    """Return where the log is split, and the population's rhythm before the test period: float32 [168].

    Raises:
        InputError: no decision has a complete outcome; or an objective has a horizon, and no decision was
            left to chance.
    """
    config, ledger = workspace.config, workspace.ledger
    window = max(parse_duration(objective.window) for objective in config.objectives.values())
    layout = StateLayout.from_config(config, ledger.vocabularies())
    tally: dict[int, int] = {}
    by_chance, long_term = False, bool(horizons(config))
    for partition in range(ledger.partitions):
        shard = load_shard(workspace, partition, tables=("users", "decisions")).shard
        by_chance |= bool((shard.decisions.propensity < 1).any())
        epochs, counts = np.unique(shard.decisions.epoch_at, return_counts=True)
        for epoch, count in zip(epochs.tolist(), counts.tolist(), strict=True):
            if watermark != MISSING and epoch + window <= watermark:
                tally[epoch] = tally.get(epoch, 0) + count
        progress.update("survey", (partition + 1) / ledger.partitions / 2)
    epochs = np.array(sorted(tally), np.int64)
    split = plan_split(
        epochs,
        np.array([tally[epoch] for epoch in epochs.tolist()], np.int64),
        window,
        config.training,
        long_term,
    )
    if long_term and not by_chance:
        raise InputError(WITHOUT_CHANCE)
    rhythm = np.zeros(168, np.float64)
    for partition in range(ledger.partitions):
        shard = load_shard(workspace, partition, tables=("users", "events")).shard
        rhythm += population_rhythm(shard, layout, split.outcomes_until(watermark))
        progress.update("survey", 0.5 + (partition + 1) / ledger.partitions / 2)
    return split, rhythm.astype(np.float32)


def _examples(
    workspace: Workspace, view: View, split: Split, watermark: int, progress: Progress
) -> _Examples:
    until, partitions = split.outcomes_until(watermark), workspace.ledger.partitions
    counted = responding(view.config)

    def of_shard(partition: int) -> list[_Examples]:
        shard = load_shard(workspace, partition).shard
        part = split.assign(shard.users, shard.decisions.user, shard.decisions.epoch_at)
        found = []
        for row in batches(shard.decisions, (part == TRAIN) | (part == CALIBRATION)):
            followed = outcomes_of(shard, row, counted, until)
            known = np.isfinite(followed).any(axis=1)
            if known.any():
                features = view.features(shard, chosen_candidates(shard, row[known]))
                hashes = shard.users.hash[shard.decisions.user[row[known]], 0]
                found.append(_Examples(features, followed[known], part[row[known]], hashes))
        return found

    examples = []
    workers = worker_count(view.config.engine.threads)
    for partition, found in enumerate(over_shards(of_shard, partitions, workers)):
        examples += found
        progress.update("replay", (partition + 1) / partitions)
    if not examples:
        raise InputError("no logged decision can be trained on; run 'homing doctor' to see what is missing")
    return _Examples(
        Features.concatenate([one.features for one in examples]),
        np.concatenate([one.outcomes for one in examples]),
        np.concatenate([one.part for one in examples]),
        np.concatenate([one.user_hash for one in examples]),
    )


def heads_of(config: Config) -> tuple[Head, ...]:
    """Return one head for each objective: a probability for `any`, else a mean, of days within a window."""
    from homing.models import Head

    def head(name: str, objective: Objective) -> Head:
        if objective.aggregate == "any":
            return Head(name, "binary")
        days = -(-parse_duration(objective.window) // DAY)
        return Head(name, "mean", float(days) if objective.aggregate == "active_days" else None)

    return tuple(head(name, objective) for name, objective in config.objectives.items())


def _fit(
    config: Config, examples: _Examples, progress: Progress, rows: NDArray[np.bool_] | None = None
) -> ResponseModel:
    from homing.models import fit_response

    rows = np.ones(len(examples.part), np.bool_) if rows is None else rows
    return fit_response(
        examples.features,
        examples.outcomes,
        heads_of(responding(config)),
        np.flatnonzero(rows & (examples.part == TRAIN)),
        np.flatnonzero(rows & (examples.part == CALIBRATION)),
        config.training,
        config.engine.threads,
        lambda done, note: progress.update("fit", done, note),
    )


def _look_ahead(
    workspace: Workspace,
    view: View,
    split: Split,
    watermark: int,
    examples: _Examples,
    response: ResponseModel,
    progress: Progress,
) -> tuple[LongTermModel, Selection]:
    from homing.models import LongTermModel

    fold = folds_by_user(examples.user_hash, FOLDS)
    by_fold = tuple(_fit(view.config, examples, progress, fold != k) for k in range(FOLDS))
    learned = learn_effects(workspace, view, split, watermark, response, by_fold, progress)
    advantage, selection = select_learner(workspace, view, split, watermark, by_fold, learned, progress)
    return LongTermModel(response, advantage, tuple(view.config.objectives)), selection


def _temperatures(
    workspace: Workspace, view: View, model: ResponseModel | LongTermModel, split: Split, progress: Progress
) -> tuple[float, tuple[float, ...]]:
    """Return the temperature for the configured weights, and one for each objective alone."""
    config = view.config
    weights = signed_weights(config)
    alone = np.sign(np.where(weights == 0, 1.0, weights))
    if config.exploration.temperature != "auto":
        given = float(config.exploration.temperature)
        scale = np.where(weights == 0, 1.0, np.abs(weights))
        return given, tuple(float(t) for t in given / scale)
    values, offsets = values_on_calibration(workspace, view, model, split)
    share = config.exploration.best_share
    progress.update("temperature", 1.0)
    overall = resolve_temperature(utility(values, weights), offsets, share)
    single = (
        resolve_temperature(utility(values, np.eye(len(weights))[k] * alone[k]), offsets, share)
        for k in range(len(weights))
    )
    return overall, tuple(single)


def values_on_calibration(
    workspace: Workspace,
    view: View,
    model: ResponseModel | LongTermModel,
    split: Split,
    wanted: int = _TEMPERATURE_ROWS,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return values [n, objectives] and offsets [rows + 1] of the sets of some calibration decisions.

    Args:
        workspace: whose log is replayed.
        view: of the release.
        model: that gives values.
        split: of the decisions.
        wanted: how many decisions.
    """
    values, counts = [], []
    for partition in range(workspace.ledger.partitions):
        if wanted <= 0:
            break
        shard = load_shard(workspace, partition).shard
        part = split.assign(shard.users, shard.decisions.user, shard.decisions.epoch_at)
        row = np.flatnonzero(part == CALIBRATION)[:wanted]
        candidates = replay(shard, row, view.config).candidates
        values.append(model.predict(view.features(shard, candidates)))
        counts.append(candidates.counts)
        wanted -= len(row)
    return np.concatenate(values), offsets_of(np.concatenate(counts))
