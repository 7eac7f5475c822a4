"""One decision for every user at an epoch, top down.

1. Candidates: what each user may receive under every hard rule, and always hold.
2. Scores: a model gives each candidate a vector of values.
3. Prices: what a candidate uses of shared limits is charged in its policy's utility.
4. Draw: one candidate a row, from a known distribution, by randomness of (salt, user, epoch).
5. Log: the choice with its propensity and the fingerprint of what it was chosen from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from homing.decision.candidate_set import candidate_set_hash
from homing.decision.candidates import build_candidates
from homing.decision.draws import draw_with_place, uniforms_and_ids
from homing.decision.policies import Context, Policy
from homing.schema import Candidates, Config, Exclusions, Instants, Reason, Sends, Shard
from homing.schema.drawn import Drawn
from homing.schema.times import MISSING

#: Candidates to float32 [n, objectives].
Score = Callable[[Candidates], NDArray[np.float32]]


def decide(
    shard: Shard,
    rows: Instants,
    policy: Policy,
    config: Config,
    score: Score | None = None,
    sends: Sends | None = None,
) -> tuple[Drawn, Exclusions]:
    """Draw one candidate for each row, and return what is to be logged.

    A pure function: the same arguments give the same decisions, and a row decides the same alone as
    among others, in any order and on any engine.

    Args:
        shard: all that is known of the users.
        rows: one user and one epoch each.
        policy: whose distribution is drawn from; its prices are part of it.
        config: the hard rules, the objectives and the salt.
        score: a model's values, float32 [n, objectives]; a policy that does not look needs none.
        sends: what caps count; by default `shard.sends()`.
    """
    context, exclusions = offer(shard, rows, config, score, sends)
    drawn, _ = draw_each(context, policy, config)
    return drawn, exclusions


def offer(
    shard: Shard, rows: Instants, config: Config, score: Score | None = None, sends: Sends | None = None
) -> tuple[Context, Exclusions]:
    """Return what each row may be sent with its values, and what rules removed; arguments as `decide`."""
    candidates, exclusions = build_candidates(shard, rows, config, sends)
    return Context(shard, candidates, None if score is None else score(candidates)), exclusions


def draw_each(context: Context, policy: Policy, config: Config) -> tuple[Drawn, NDArray[np.int64]]:
    """Draw one candidate for each row, whatever the others draw; arguments as `decide`.

    Returns:
        the decisions; int64 [rows] places of the candidates.
    """
    probabilities, candidates = policy.probabilities(context), context.candidates
    uniform, ids = _randomness(context, config)
    index, place = draw_with_place(probabilities, candidates.offsets, uniform)
    return _log(context, policy, config, index, probabilities[index], place, ids), index


def chosen(
    context: Context,
    policy: Policy,
    config: Config,
    index: NDArray[np.int64],
    propensity: NDArray[np.float64],
    place: NDArray[np.float64] | None = None,
) -> Drawn:
    """Return what is to be logged of candidates that were drawn elsewhere.

    Args:
        context: what was drawn from.
        policy: whose floor it was.
        config: the objectives and the salt.
        index: int64 [rows] places of the candidates.
        propensity: float64 [rows] probability of each.
        place: float64 [rows] in [0, 1), uniform given the choice; None: the rows' own uniform numbers, where
            the draw did not use them.
    """
    uniform, ids = _randomness(context, config)
    place = uniform if place is None else place
    return _log(context, policy, config, index, propensity, place, ids)


def _randomness(context: Context, config: Config) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    rows = context.candidates.rows
    return uniforms_and_ids(context.shard.users.hash[rows.user], rows.at, config.workspace.salt)


def _log(
    context: Context,
    policy: Policy,
    config: Config,
    index: NDArray[np.int64],
    propensity: NDArray[np.float64],
    place: NDArray[np.float64],
    ids: NDArray[np.uint64],
) -> Drawn:
    """Return what is to be logged; `place` [rows] in [0, 1) is uniform and independent of the choice."""
    candidates = context.candidates
    picked = candidates.pick(index)
    held = picked.is_hold
    values = np.full((len(index), len(config.objectives)), np.nan, np.float32)
    if context.values is not None:
        values = context.values[index]
    return Drawn(
        rows=candidates.rows,
        id=ids,
        opportunity=picked.opportunity,
        message=picked.message,
        channel=picked.channel,
        slot_start=np.where(held, MISSING, picked.slot_start),
        slot_end=np.where(held, MISSING, picked.slot_end),
        propensity=propensity,
        candidates=candidates.counts.astype(np.int32),
        candidate_set=candidate_set_hash(context.shard, candidates),
        values=values,
        reason=_reasons(context, policy, place * propensity),
    )


def _reasons(context: Context, policy: Policy, inside: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return why each row's choice was made: int8 [rows].

    A candidate's probability is the policy's wish plus the uniform floor. `inside` is where within that
    probability the uniform number fell; the floor's part of it is its beginning, so given the choice
    the component has its exact probability, and costs no second random number.
    """
    counts = context.candidates.counts
    explored = inside < policy.floor / counts
    reason = np.where(explored, Reason.explored, Reason.drawn)
    reason[counts == 1] = Reason.no_candidate
    reason[context.forced >= 0] = Reason.transactional
    return reason.astype(np.int8)
