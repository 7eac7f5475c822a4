"""Would the verdict be another one for today's users? The log's decisions, weighed to look like them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.evaluation import FeatureShift, Thresholds, cluster
from homing.lifecycle.estimates import shown
from homing.lifecycle.population import Portrait, Today
from homing.lifecycle.release import Release
from homing.lifecycle.segments import utility_gains
from homing.lifecycle.valuation import Valued
from homing.report.facts import Population, Shifted
from homing.schema import Config, Vocabularies

_COMMON = 0.01  # share of the users in a category that is looked at


def population_shift(
    config: Config,
    release: Release,
    vocabularies: Vocabularies,
    valued: Valued,
    policy: int,
    portrait: Portrait,
    today: Today,
) -> Population:
    """Compare users of the held-out decisions with today's, and carry a policy's gain over to the latter.

    Features move by themselves, and in a large log each movement is seen. What matters is whether it would
    change the verdict: decisions are weighed so that in all that moved the log's users are like today's
    (`balancing_weights`), and the gain is judged again.

    Args:
        config: the workspace's.
        release: whose utility counts.
        vocabularies: of the ledger.
        valued: held-out decisions.
        policy: the policy's place among those that were valued.
        portrait: what the columns of `people` are.
        today: the users of today.
    """
    names, log, now = _columns(vocabularies, portrait, valued, today)
    if min(len(log), len(now)) < 2:
        return Population(len(now))
    found = evaluation.covariate_shift(log, now, names, valued.user)
    if found.passed:
        return Population(len(now))
    moved = tuple(Shifted(f.name, f.aspect, f.log, f.today, f.difference) for f in found.moved)
    place = {name: k for k, name in enumerate(names)}
    gains = utility_gains(release, valued, policy)
    if not len(gains.rows):
        return Population(len(now), moved, found.warnings[0])
    settings, users = config.evaluation, cluster(valued.user[gains.rows], len(gains.rows))
    thresholds = Thresholds.of(settings)
    plain = evaluation.on_policy(gains.gain, users, confidence=settings.confidence)
    doubts = (*evaluation.overlap(gains.weight, users).warnings(thresholds), *plain.warnings)
    population = Population(
        len(now),
        moved,
        found.warnings[0],
        shown(plain),
        effective_size=0.0,
        judgement=evaluation.judge(plain, doubts, "up").judgement,
    )
    gaps = [_gap(log[gains.rows, place[f.name]], now[:, place[f.name]], f) for f in found.moved]
    likeness = evaluation.balancing_weights(np.stack(gaps, axis=1), np.zeros(len(gaps)))
    if likeness is None:
        return population
    carried = evaluation.snips(
        gains.gain, likeness, users, confidence=settings.confidence, thresholds=thresholds
    )
    population = replace(population, effective_size=carried.effective_size)
    if carried.warnings:
        return population
    judgement = evaluation.judge(carried, doubts, "up").judgement
    return replace(population, carried=shown(carried), carried_judgement=judgement)


def _columns(
    vocabularies: Vocabularies, portrait: Portrait, valued: Valued, today: Today
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Return names, and what the log's and today's users are like: a column a feature or common category."""
    names, log, now = list(portrait.names), [valued.people], [today.people]
    for place, (column, words) in enumerate(vocabularies.categorical.get("users", {}).items()):
        for code, word in enumerate(words.names):
            pair = [sample[:, place] == code for sample in (valued.traits, today.traits)]
            if max(is_it.mean() for is_it in pair if len(is_it)) >= _COMMON:
                names.append(f"{column} = {word}")
                log.append(pair[0][:, None])
                now.append(pair[1][:, None])
    return names, np.hstack(log).astype(np.float64), np.hstack(now).astype(np.float64)


def _gap(log: NDArray[np.float64], today: NDArray[np.float64], feature: FeatureShift) -> NDArray[np.float64]:
    """Return a column of the log [rows] whose mean is 0 where the feature's aspect is that of today."""
    missing = np.isnan(log)
    if feature.aspect == "missing":
        return missing - feature.today
    off = np.where(missing, 0.0, log - np.nanmean(today))
    return off if feature.aspect == "mean" else np.where(missing, 0.0, off**2 - feature.today**2)
