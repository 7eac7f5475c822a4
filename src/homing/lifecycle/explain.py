"""Why a decision is what it is: every candidate with its values and probability, and what rules removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, Prices, Softmax, build_candidates, candidate_set_hash, utility
from homing.lifecycle.budgets.prices import KeptPrices, kept_prices, policy_of, runs_with_prices
from homing.lifecycle.experiment.accounts import accounts_of, arms_in
from homing.lifecycle.experiment.arms import underway_at
from homing.lifecycle.release import Release, load_release
from homing.schema import Candidates, Features, Instants
from homing.schema.times import MISSING, check_epoch, format_time
from homing.store import DecisionPlace, UserPlace, Workspace, find_decision, find_user, load_shard


@dataclass(frozen=True)
class Effect:
    """What a candidate changes against hold: by itself on its first day, and on the days after it."""

    now: float
    later: float


@dataclass(frozen=True)
class Option:
    """One candidate of a user at an instant."""

    message: str | None  # None: hold
    channel: str | None
    slot_start: str | None
    probability: float
    utility: float  # before prices
    prices: Mapping[str, float]  # utility that it pays for its use of budgets, by budget, where not 0
    values: Mapping[str, float]  # by objective
    effects: Mapping[str, Effect]  # by objective, in its unit, and "utility"; empty without a horizon
    chosen: bool


@dataclass(frozen=True)
class Removed:
    """A candidate that a rule removed."""

    message: str
    channel: str
    slot_start: str | None
    rule: str


@dataclass(frozen=True)
class Explanation:
    """One user at one instant, as a release sees them."""

    user_id: str
    at: str
    release: str
    decision: Mapping[str, Any] | None  # the ledger's row, when a decision was asked about
    same_set: bool | None  # whether the ledger gives the candidate set that was logged; None: not logged
    options: tuple[Option, ...]  # the most probable first
    removed: tuple[Removed, ...]
    state: Mapping[str, float]  # the user's state by feature, what is not zero
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dataclasses.asdict(self)


def explain_decision(workspace: Workspace, decision_id: str) -> Explanation:
    """Explain a decision of the ledger with the release that drew it, or the current one.

    Raises:
        InputError: the ledger has no such decision.
        WorkspaceError: there is no release.
    """
    found = find_decision(workspace, decision_id)
    return _explain(workspace, found.user, _us(found.columns["epoch_at"]), found)


def explain_user(workspace: Workspace, user_id: str, at: int) -> Explanation:
    """Explain what the current release would do for a user at an instant (us).

    Raises:
        InputError: the ledger has no such user, or the instant is before 1990 or not before 2100.
        WorkspaceError: there is no release.
    """
    return _explain(workspace, find_user(workspace, user_id), check_epoch(at), None)


def _explain(workspace: Workspace, user: UserPlace, at: int, found: DecisionPlace | None) -> Explanation:
    notes = []
    columns = None if found is None else found.columns
    drew = columns["release_id"] if columns is not None else None
    own = drew if drew and (workspace.releases_path / drew).is_dir() else None
    if drew and own is None:
        notes.append(
            f"release {drew!r} is not in this workspace; values and probabilities are of today's release"
        )
    loaded = load_shard(workspace, user.partition)
    shard = loaded.shard
    drawing = load_release(workspace, workspace.ledger.vocabularies(), own)
    underway = underway_at(workspace, at, drawing, shard.vocabularies)
    (account,), _ = accounts_of(underway, shard.users.hash[[user.row]])
    release, policy = account.decider.release, account.decider.policy
    notes += [f"the user is in {arm}" for arm in arms_in(underway, account)]
    rows = Instants(np.array([user.row], np.int32), np.array([at], np.int64))
    everything = workspace.config.exclusions.model_copy(update={"share": 1.0})
    config = workspace.config.model_copy(update={"exclusions": everything})
    candidates, exclusions = build_candidates(shard, rows, config)
    features = release.view.features(shard, candidates)
    values = release.model.predict(features)
    kept, prices = _kept(workspace, at, columns), None
    if kept is not None and account.softmax is not None:
        priced = policy_of(kept, workspace, account, shard.vocabularies, shard.messages)
        if priced is None:
            notes.append(f"{kept.run_id} has no prices of {account.name or 'all users'}; none are charged")
        else:
            policy, prices = priced, priced.prices
            if columns is None:
                notes.append(f"prices are those of {kept.run_id}")
    context = Context(shard, candidates, values)
    share = policy.probabilities(context)
    paid = [] if prices is None else _paid(prices, context)
    worth = utility(values, policy.weights if isinstance(policy, Softmax) else release.weights)
    effects = _effects(release, features)
    vocabularies = shard.vocabularies
    chosen = np.zeros(len(candidates), np.bool_)
    same_set = None
    if columns is not None:
        chosen = _is_choice(
            columns, loaded.ids.opportunities.to_list(), candidates, vocabularies.channels.names
        )
        if not chosen.any():
            notes.append("the logged choice is not among the candidates that the ledger gives today")
        if columns.get("candidate_set"):
            now = candidate_set_hash(shard, candidates).astype(">u8").tobytes()
            same_set = now == bytes(columns["candidate_set"])
    options = [
        Option(
            message=None if code < 0 else vocabularies.messages.names[code],
            channel=None if code < 0 else vocabularies.channels.names[candidates.channel[place]],
            slot_start=None if code < 0 else format_time(candidates.slot_start[place]),
            probability=float(share[place]),
            utility=float(worth[place]),
            prices=paid[place] if paid else {},
            values={name: float(v) for name, v in zip(release.objectives, values[place], strict=True)},
            effects=effects[place] if effects else {},
            chosen=bool(chosen[place]),
        )
        for place, code in enumerate(candidates.message.tolist())
    ]
    removed = [
        Removed(
            message=vocabularies.messages.names[shard.opportunities.message[opportunity]],
            channel=vocabularies.channels.names[channel],
            slot_start=None if start == MISSING else format_time(start),
            rule=exclusions.rules[rule],
        )
        for opportunity, channel, start, rule in zip(
            exclusions.opportunity.tolist(),
            exclusions.channel.tolist(),
            exclusions.slot_start.tolist(),
            exclusions.rule.tolist(),
            strict=True,
        )
    ]
    return Explanation(
        user_id=user.user_id,
        at=format_time(at),
        release=release.id,
        decision=columns,
        same_set=same_set,
        options=tuple(sorted(options, key=lambda option: -option.probability)),
        removed=tuple(removed),
        state=_state(features.spec.user, features.user[0]),
        notes=tuple(notes),
    )


def _kept(workspace: Workspace, at: int, decision: Mapping[str, Any] | None) -> KeptPrices | None:
    """Return the prices of a decision's run; without a decision, the newest by the instant."""
    if decision is not None:
        return kept_prices(workspace, decision["run_id"]) if decision["run_id"] else None
    known = runs_with_prices(workspace, at + 1)
    return known[-1] if known else None


def _paid(prices: Prices, context: Context) -> list[dict[str, float]]:
    """Return what each candidate pays, by budget."""
    assert context.values is not None
    candidates, names = context.candidates, [budget.name for budget in prices.limits.budgets]
    arm = prices.limits.arms(context.shard, candidates)
    terms = prices.terms(arm, candidates.offsets, context.values)
    return [{name: float(v) for name, v in zip(names, row, strict=True) if v != 0} for row in terms]


def _effects(release: Release, features: Features) -> list[dict[str, Effect]]:
    """Return each candidate's effects by objective, and in utility; none where no objective has a horizon."""
    from homing.models import LongTermModel

    if not isinstance(release.model, LongTermModel):
        return []
    now, later = release.model.effects(features)
    found = []
    for first, then in zip(now, later, strict=True):
        pairs = zip(release.objectives, first, then, strict=True)
        of = {name: Effect(float(a), float(b)) for name, a, b in pairs}
        found.append({"utility": Effect(float(first @ release.weights), float(then @ release.weights)), **of})
    return found


def _is_choice(
    columns: Mapping[str, Any], opportunities: Sequence[str], candidates: Candidates, channels: Sequence[str]
) -> NDArray[np.bool_]:
    """Return which candidate the ledger's row chose: bool [n]."""
    if columns["action"] == "hold":
        return candidates.is_hold
    ids = [None if row < 0 else opportunities[row] for row in candidates.opportunity.tolist()]
    hit: NDArray[np.bool_] = (
        np.array([name == columns["opportunity_id"] for name in ids])
        & (candidates.channel == channels.index(columns["channel"]))
        & (candidates.slot_start == _us(columns["slot_start"]))
    )
    return hit


def _state(names: Sequence[str], values: NDArray[np.float32]) -> dict[str, float]:
    return {name: float(v) for name, v in zip(names, values, strict=True) if np.isfinite(v) and v != 0}


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
