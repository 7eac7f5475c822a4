"""Which learner decides: each one's policy is valued on users whom its own fit did not see.

1. For each fold of users every learner is fitted on the others'.
2. Decisions whose whole horizon is known are replayed; each learner picks its best candidate in each.
3. Choice against propensity, outcome less its prediction: what each policy would gain over the log, a
   decision at a time, with the log's policy afterwards. That is what values mean here.
4. The first learner stands unless another one is ahead by more than a standard error of the difference.
5. The choice is judged as any policy is: where it is not better with confidence, the advice is to keep the
   policy that wrote the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.decision.replay import batches, replay
from homing.engine import over_shards, worker_count
from homing.evaluation import Thresholds, cluster, folds_by_user
from homing.lifecycle.effects import FOLDS, Learned
from homing.lifecycle.estimates import shown, worth
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.progress import Progress
from homing.lifecycle.release import signed_weights
from homing.lifecycle.replay import View, outcomes_of
from homing.lifecycle.splits import CALIBRATION, TRAIN, Split
from homing.report.facts import Estimate, LearnerValue, Selection
from homing.schema import Features
from homing.schema.config import Evaluation
from homing.schema.times import parse_duration
from homing.store import Workspace, load_shard

if TYPE_CHECKING:
    from homing.models import LongTermModel, ResponseModel
    from homing.models.advantage import Advantage


@dataclass(frozen=True)
class _Seen:
    """Decisions by chance whose outcomes are known over the whole horizon."""

    user: NDArray[np.int64]  # [rows] unique over shards
    residual: NDArray[np.float64]  # [rows] utility of what followed, less what the state foretold
    weight: NDArray[np.float64]  # [rows, learners] the learner's probability of the choice by the log's

    @classmethod
    def concatenate(cls, parts: Sequence[_Seen]) -> _Seen:
        """Return the rows of all parts, in order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def select_learner(
    workspace: Workspace,
    view: View,
    split: Split,
    watermark: int,
    by_fold: tuple[ResponseModel, ...],
    learned: Learned,
    progress: Progress,
) -> tuple[Advantage, Selection]:
    """Return the effects of the learner that decides, and what each learner's policy was found to be worth.

    Args:
        workspace: whose log is read.
        view: of the release.
        split: of the decisions; those held out for the evaluation are not looked at.
        watermark: until which events are known, us.
        by_fold: response models of which the k-th saw no user of fold k.
        learned: effects, by all users and by fold.
        progress: where to report.
    """
    from homing.models import LongTermModel
    from homing.models.advantage import LEARNERS

    names = tuple(view.config.objectives)
    models = [
        [LongTermModel(response, learner(effects), names) for learner in LEARNERS.values()]
        for response, effects in zip(by_fold, learned.by_fold, strict=True)
    ]
    seen = _replayed(workspace, view, split, watermark, models, progress)
    chosen, facts = rank(tuple(LEARNERS), seen.residual, seen.weight, seen.user, view.config.evaluation)
    return LEARNERS[chosen](learned.whole), facts


def rank(
    names: Sequence[str],
    residual: NDArray[np.float64],
    weight: NDArray[np.float64],
    user: NDArray[np.int64],
    settings: Evaluation,
) -> tuple[str, Selection]:
    """Return the learner that decides, and all of them with what they would gain over the log.

    The gain of a policy is `mean((w - 1) r)`, w its probability of the logged choice by the log's, and r the
    outcome less what the state foretold: Horvitz and Thompson (1952) with a control variate. Differences
    between two learners are paired by user, so that only decisions where they differ make noise.

    Args:
        names: of the learners, the preferred one first.
        residual: float64 [rows] utility of the horizon less its prediction from the state.
        weight: float64 [rows, learners] 1 / propensity where the learner picks the logged choice, else 0.
        user: int64 [rows].
        settings: confidence of intervals, and when overlap is too thin.
    """
    first = names[0]
    if not len(residual):
        unknown = Estimate(nan, nan, nan)
        reason = "no decision by chance is as old as the horizon"
        unranked = (LearnerValue(name, unknown, "cannot_tell", reason, name == first) for name in names)
        return first, Selection(tuple(unranked), 0, settings.confidence)
    centred, groups = residual - residual.mean(), cluster(user, len(user))
    log = evaluation.on_policy(centred, groups)
    together = 1 - (1 - settings.confidence) / len(names)
    found = {
        name: evaluation.ips(
            centred,
            weight[:, place],
            groups,
            confidence=settings.confidence if name == first else together,
            thresholds=Thresholds.of(settings),
        )
        for place, name in enumerate(names)
    }
    trusted = [name for name in names if not found[name].warnings] or [first]
    best = max(trusted, key=lambda name: found[name].value)
    lead = evaluation.difference(found[best], found[first])
    chosen = best if lead.value > lead.std_error else first
    values = []
    for name, one in found.items():
        gap = evaluation.difference(one, log)
        verdict = evaluation.judge(gap, one.warnings, "up")
        values.append(LearnerValue(name, shown(gap), verdict.judgement, verdict.reason, name == chosen))
    return chosen, Selection(tuple(values), len(residual), settings.confidence)


def _replayed(
    workspace: Workspace,
    view: View,
    split: Split,
    watermark: int,
    models: Sequence[Sequence[LongTermModel]],
    progress: Progress,
) -> _Seen:
    until, partitions = split.outcomes_until(watermark), workspace.ledger.partitions
    counted, weights = over_horizons(view.config), signed_weights(view.config)
    longest = max(parse_duration(objective.window) for objective in counted.objectives.values())

    def of_shard(partition: int) -> list[_Seen]:
        shard = load_shard(workspace, partition).shard
        log, found = shard.decisions, []
        part = split.assign(shard.users, log.user, log.epoch_at)
        wanted = ((part == TRAIN) | (part == CALIBRATION)) & (log.propensity < 1)
        for row in batches(log, wanted & (log.epoch_at + longest <= until)):
            seen = replay(shard, row, view.config)
            features, user = view.features(shard, seen.candidates), log.user[seen.row]
            outcome = worth(outcomes_of(shard, seen.row, counted, until), weights)
            fold = folds_by_user(shard.users.hash[user, 0], FOLDS)
            for k, learners in enumerate(models):
                rows = np.flatnonzero(fold == k)
                if not len(rows):
                    continue
                mine = features.take_rows(rows)
                chosen = seen.chosen[rows] - features.offsets[rows] + mine.offsets[:-1]
                picked = _picked(mine, chosen, learners, weights)
                found.append(
                    _Seen(
                        (np.int64(partition) << 40) + user[rows],
                        outcome[rows] - _foretold(mine, learners[0], weights),
                        picked / log.propensity[seen.row[rows]][:, None],
                    )
                )
        return found

    parts = [_Seen(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, len(models[0]))))]
    workers = worker_count(view.config.engine.threads)
    for partition, found in enumerate(over_shards(of_shard, partitions, workers)):
        parts += found
        progress.update("selection", (partition + 1) / partitions)
    return _Seen.concatenate(parts)


def _picked(
    features: Features,
    chosen: NDArray[np.int64],
    learners: Sequence[LongTermModel],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the probability of the logged choice under each learner's best: float64 [rows, learners]."""
    responses, starts = learners[0].response.predict(features), features.offsets[:-1]
    result = np.empty((len(chosen), len(learners)))
    for place, model in enumerate(learners):
        now, later = model.effects(features, responses)
        utility = (now + later) @ weights
        best = utility == np.maximum.reduceat(utility, starts)[features.row]
        result[:, place] = best[chosen] / np.add.reduceat(best.astype(np.int64), starts)
    return result


def _foretold(features: Features, model: LongTermModel, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the utility that the state foretells of the objectives with a horizon: float64 [rows]."""
    advantage = model.advantage
    places = [model.objectives.index(name) for name in advantage.objectives]
    return np.asarray(advantage.baseline.predict(features) @ weights[places], np.float64)
