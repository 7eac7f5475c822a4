"""Which learner decides: each one's policy is valued on users whom its own fit did not see.

1. For each fold of users every learner is fitted on the others'.
2. Decisions whose whole horizon is known are replayed; each learner scores their candidates.
3. How much of what a learner promises comes true, by what chance decided in the log, is what its policy
   would gain over the log's: a decision at a time, with the log's policy afterwards, as values mean here.
4. The first learner stands unless the one that gains most is ahead of it with confidence.
5. The choice is judged as any policy is: where it is not better with confidence, the advice is to keep the
   policy that wrote the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.decision.replay import batches, replay
from homing.engine import over_shards, worker_count
from homing.evaluation import cluster, folds_by_user
from homing.lifecycle.effects import FOLDS, Learned
from homing.lifecycle.estimates import shown, worth
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.progress import Progress
from homing.lifecycle.release import signed_weights
from homing.lifecycle.replay import View, outcomes_of
from homing.lifecycle.splits import CALIBRATION, TRAIN, Split
from homing.report.facts import Estimate, LearnerValue, Selection
from homing.schema import Features
from homing.schema.times import parse_duration
from homing.store import Workspace, load_shard

if TYPE_CHECKING:
    from homing.models import LongTermModel, ResponseModel
    from homing.models.advantage import Advantage


@dataclass(frozen=True)
class Scored:
    """Decisions by chance whose outcomes are known over the whole horizon, and what learners say of them."""

    user: NDArray[np.int64]  # [rows] unique over shards
    residual: NDArray[np.float64]  # [rows] utility of what followed, less what the state foretold
    propensity: NDArray[np.float64]  # [rows]
    is_hold: NDArray[np.bool_]  # [rows] whether the logged choice is hold
    candidates: NDArray[np.int64]  # [rows] in the set, at least 2
    chosen: NDArray[np.float64]  # [rows, learners] utility of the logged choice against hold
    sends: NDArray[np.float64]  # [rows, learners] mean utility of the set's sends against hold
    best: NDArray[np.float64]  # [rows, learners] utility of the best candidate against hold

    @classmethod
    def concatenate(cls, parts: Sequence[Scored]) -> Scored:
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
    scored = _replayed(workspace, view, split, watermark, models, progress)
    facts = rank(tuple(LEARNERS), scored, view.config.evaluation.confidence)
    return LEARNERS[facts.decides.learner](learned.whole), facts


def rank(names: Sequence[str], scored: Scored | None, confidence: float) -> Selection:
    """Return the learners with what they would gain over the log, and which of them decides.

    Gains are `linear_gain`s. Differences between two learners are paired by user, so that only what they
    say otherwise makes noise. The best of several looks better than it is: the first one, which was preferred
    before anything was seen, has an interval of its own, and those of the others hold together (Bonferroni);
    so do their leads over the first.

    Args:
        names: of the learners, the preferred one first.
        scored: what they say; None: no decision is as old as the horizon.
        confidence: of the intervals.
    """
    from homing.models.advantage import reference_weights

    if scored is None:
        unknown, reason = Estimate(nan, nan, nan), "no decision by chance is as old as the horizon"
        unranked = (LearnerValue(name, unknown, "cannot_tell", reason, name == names[0]) for name in names)
        return Selection(tuple(unranked), 0, confidence)
    share = float(np.clip(scored.is_hold.mean(), 0.02, 0.98))
    weight = reference_weights(scored.propensity, scored.is_hold, scored.candidates, share)
    groups = cluster(scored.user, len(scored.user))
    gains = [
        evaluation.linear_gain(
            scored.residual,
            scored.chosen[:, place] - (1 - share) * scored.sends[:, place],
            scored.best[:, place] - scored.chosen[:, place],
            weight,
            groups,
            confidence=1 - (1 - confidence) / (len(names) if place else 1),
        )
        for place in range(len(names))
    ]
    known = [gain for gain in gains if isfinite(gain.value)] or gains[:1]
    ahead = max(known, key=lambda gain: gain.value)
    lead = evaluation.difference(ahead, gains[0])
    decides = ahead if lead.low > 0 else gains[0]
    found = []
    for name, gain in zip(names, gains, strict=True):
        verdict = evaluation.judge(gain, gain.warnings, "up")
        found.append(LearnerValue(name, shown(gain), verdict.judgement, verdict.reason, gain is decides))
    return Selection(tuple(found), len(scored.user), confidence)


def _replayed(
    workspace: Workspace,
    view: View,
    split: Split,
    watermark: int,
    models: Sequence[Sequence[LongTermModel]],
    progress: Progress,
) -> Scored | None:
    until, partitions = split.outcomes_until(watermark), workspace.ledger.partitions
    counted, weights = over_horizons(view.config), signed_weights(view.config)
    longest = max(parse_duration(objective.window) for objective in counted.objectives.values())

    def of_shard(partition: int) -> list[Scored]:
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
                rows = np.flatnonzero((fold == k) & (seen.candidates.counts > 1))
                if not len(rows):
                    continue
                mine = features.take_rows(rows)
                chosen = seen.chosen[rows] - features.offsets[rows] + mine.offsets[:-1]
                found.append(
                    Scored(
                        (np.int64(partition) << 40) + user[rows],
                        outcome[rows] - _foretold(mine, learners[0], weights),
                        log.propensity[seen.row[rows]].astype(np.float64),
                        mine.is_hold[chosen],
                        np.diff(mine.offsets),
                        *_utilities(mine, chosen, learners, weights),
                    )
                )
        return found

    parts: list[Scored] = []
    workers = worker_count(view.config.engine.threads)
    for partition, found in enumerate(over_shards(of_shard, partitions, workers)):
        parts += found
        progress.update("selection", (partition + 1) / partitions)
    return Scored.concatenate(parts) if parts else None


def _utilities(
    features: Features,
    chosen: NDArray[np.int64],
    learners: Sequence[LongTermModel],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return utilities against hold, each float64 [rows, learners]: of the choice, of sends, of the best."""
    responses, starts = learners[0].response.predict(features), features.offsets[:-1]
    sends = np.diff(features.offsets)[:, None] - 1
    effects = (model.effects(features, responses) for model in learners)
    utility = np.stack([(now + later) @ weights for now, later in effects], axis=1)
    # hold has none, so the sum over a set is that over its sends
    return utility[chosen], np.add.reduceat(utility, starts) / sends, np.maximum.reduceat(utility, starts)


def _foretold(features: Features, model: LongTermModel, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the utility that the state foretells of the objectives with a horizon: float64 [rows]."""
    advantage = model.advantage
    places = [model.objectives.index(name) for name in advantage.objectives]
    return np.asarray(advantage.baseline.predict(features) @ weights[places], np.float64)
