"""What is a policy worth? Estimated from logged decisions that training never saw.

1. Take the decisions that the release held out, and the policies to compare.
2. Fit an outcome model on folds of users, so that no decision is predicted by a model that saw its user.
3. Replay every decision's candidates; value them under every policy, under budgets with prices of these sets.
4. Estimate each objective and the utility: IPS, SNIPS, DM, DR; differences paired by user.
5. Look at other weights, and at users' journeys.
6. Check what the estimates rest on: overlap, propensities, the replay itself, the model, the users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from homing.decision import Policy
from homing.evaluation import folds_by_user
from homing.lifecycle.alerts import evaluation_alerts, soundness
from homing.lifecycle.budgets.held_out import with_prices
from homing.lifecycle.estimates import compare_logs, objective_values
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.journeys import find_journeys
from homing.lifecycle.policies import ALIASES, logging_releases, make_policy, policy_names
from homing.lifecycle.population import Portrait, todays_users
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.quality import model_quality, propensities, qini_curves
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.lifecycle.release import Release, load_release
from homing.lifecycle.replay import observed_until
from homing.lifecycle.segments import gate_of, segment_gains
from homing.lifecycle.shift import population_shift
from homing.lifecycle.splits import LEFT_OUT, TEST
from homing.lifecycle.tradeoff import with_choice
from homing.lifecycle.train import heads_of
from homing.lifecycle.valuation import (
    Agreement,
    Chosen,
    Predict,
    Valued,
    Wanted,
    gather_chosen,
    value_decisions,
)
from homing.lifecycle.weights import Reweighted, weight_family, weight_sweeps
from homing.report.facts import Health, Population, Truth, Values
from homing.schema import Decisions, Features, InputError, Reason, Shard, Vocabularies
from homing.schema.times import MISSING, parse_duration
from homing.store import Workspace, load_shard, table_spans

_FEW_LOGS = 4  # so many logging policies are compared with each other, and modelled apart


@dataclass(frozen=True)
class Evaluated:
    """An evaluation and what it rests on."""

    release: Release
    values: Values
    record: Record
    timings: Timings


def evaluate(
    workspace: Workspace, policies: Sequence[str | Policy] = (), progress: Progress | None = None
) -> Evaluated:
    """Value policies on the decisions that the current release was not trained on.

    Args:
        workspace: with a log and a release.
        policies: names as in `evaluation.policies`, or `current` for the policy that wrote the log and
            `candidate` for the learned one, or policies of your own, which are given the release's values;
            empty: the configured ones.
        progress: where to report.

    Raises:
        WorkspaceError: there is no release.
        InputError: a policy is not known, two have one name, or no decision was held out.
    """
    progress, timings = progress or Silent(), Timings()
    vocabularies = workspace.ledger.vocabularies()
    release = load_release(workspace, vocabularies)
    shards = [
        load_shard(workspace, partition, tables=("users", "decisions")).shard
        for partition in range(workspace.ledger.partitions)
    ]
    logs = [shard.decisions for shard in shards]
    compared = _foreign_logs(logs)
    names = [*(policies or policy_names(workspace.config, release, vocabularies))]
    names += [f"release:{vocabularies.releases.names[code]}" for code in compared]
    asked = _by_name(names)
    asked = asked if "learned" in asked else _by_name(["learned", *names])
    named = [
        make_policy(one, workspace, release, vocabularies, logs) if isinstance(one, str) else one
        for name, one in asked.items()
        if name != "logging"
    ]

    watermark = observed_until(workspace)
    shortest = min(
        parse_duration(objective.window)
        for objective in over_horizons(release.view.config).objectives.values()
    )

    def assigned(shard: Shard) -> NDArray[np.int8]:
        """Return the part of each decision; one that tells nothing of other policies is left out."""
        log = shard.decisions
        part = release.split.assign(shard.users, log.user, log.epoch_at)
        usable = usable_decisions(log, watermark, shortest)
        if compared:  # the outcome model of each log is its own, and other decisions have none
            usable &= np.isin(log.release, compared)
        return np.where(usable, part, LEFT_OUT)

    def is_test(shard: Shard) -> NDArray[np.bool_]:
        return np.equal(assigned(shard), TEST)

    def wanted(shard: Shard) -> NDArray[np.bool_]:
        return np.not_equal(assigned(shard), LEFT_OUT) if compared else is_test(shard)

    with timings.measure("outcomes"):
        chosen = gather_chosen(workspace, release.view, wanted, progress)
    with timings.measure("cross-fit"):
        predict = _cross_fit(release, chosen, compared, progress)
    portrait = Portrait.choose(release.view, _history(workspace, shards, is_test), watermark)
    few = len(vocabularies.messages) if len(vocabularies.messages) <= _FEW_LOGS else 0
    with timings.measure("weights"):
        family = weight_family(workspace, release)
    with timings.measure("prices"):
        everyone = [*named, *(one.policy for one in family)]
        priced = with_prices(workspace, release, everyone, is_test, logs)
    named = list(priced.policies[: len(named)])
    with timings.measure("policies"):
        valued, agreement = value_decisions(
            workspace,
            release,
            priced.policies,
            logging_releases(workspace, release, vocabularies, logs),
            portrait,
            wanted,
            is_test,
            predict,
            few,
            progress,
        )
    with timings.measure("today"):
        today = todays_users(workspace, release.view, portrait, watermark + 1, progress)
    with timings.measure("estimates"):
        held_out = _held_out(valued)
        learned = [policy.name for policy in named].index("learned")
        population = population_shift(
            workspace.config, release, vocabularies, held_out, learned, portrait, today
        )
        record = _conclude(
            workspace,
            release,
            vocabularies,
            named,
            family,
            valued,
            held_out,
            agreement,
            population,
            compared,
            priced.unmet if workspace.config.budgets else None,
            timings,
        )
    assert record.facts.values is not None
    save_record(workspace, record)
    return Evaluated(release, record.facts.values, record, timings)


def _by_name(policies: Sequence[str | Policy]) -> dict[str, str | Policy]:
    """Return names or policies by name, each once."""
    found: dict[str, str | Policy] = {}
    for told in policies:
        one = ALIASES.get(told, told) if isinstance(told, str) else told
        name = one if isinstance(one, str) else one.name
        kept = found.setdefault(name, one)
        if kept is not one and not (isinstance(kept, str) and isinstance(one, str)):
            raise InputError(f"two policies have the name {name!r}, must be one; give yours another name")
    return found


def usable_decisions(log: Decisions, watermark: int, window: int) -> NDArray[np.bool_]:
    """Return which decisions say what other policies would be worth: bool [decisions].

    Not those whose outcomes are not known yet, as of a plan, nor those of arms and holdouts that give some
    candidates no chance, such as `hold`. Arms that leave every candidate its chance are as good as any log.

    Args:
        log: decisions.
        watermark: us; up to when events are known. MISSING: none are.
        window: us; of the objective that is complete first.
    """
    if watermark == MISSING:
        return np.zeros(len(log.reason), np.bool_)
    return np.asarray((log.epoch_at <= watermark - window) & (log.reason != Reason.arm))


def _conclude(
    workspace: Workspace,
    release: Release,
    vocabularies: Vocabularies,
    named: Sequence[Policy],
    family: Sequence[Reweighted],
    valued: Valued,
    held_out: Valued,
    agreement: Agreement,
    population: Population,
    compared: Sequence[int],
    unmet: Sequence[str] | None,
    timings: Timings,
) -> Record:
    config = over_horizons(workspace.config)
    tables = objective_values(config, release, [policy.name for policy in named], held_out)
    faults, checks = propensities(vocabularies, held_out, config.evaluation.confidence)
    learned = [policy.name for policy in named].index("learned")
    values = Values(
        objectives=tables,
        decisions=len(held_out),
        confidence=config.evaluation.confidence,
        gate=gate_of(tables, soundness(agreement, faults, population)),
        population=population,
        segments=segment_gains(config, release, vocabularies, held_out, learned),
    )
    truth: tuple[Truth, ...] | None = None
    if compared:
        truth = compare_logs(
            config, release, vocabularies, [policy.name for policy in named], valued, compared
        )
    tradeoffs = weight_sweeps(config, release, held_out, learned, family, len(named))
    facts = stage_facts(
        workspace,
        "evaluate",
        timings,
        release=release.id,
        values=values,
        quality=model_quality(config, release, held_out),
        truth=truth,
        tradeoffs=with_choice(tradeoffs, values, config),
        journeys=find_journeys(config, release, held_out, learned),
        uplift=qini_curves(config, release, vocabularies, held_out) or None,
        alerts=evaluation_alerts(values, truth, agreement, faults, release.model.summary.constant, unmet),
        health=Health(tables=(), propensity=checks),
    )
    return Record("evaluate", facts)


def _held_out(valued: Valued) -> Valued:
    """Return the rows that training never saw."""
    if valued.test.all():
        return valued
    return replace(valued, **{f.name: getattr(valued, f.name)[valued.test] for f in fields(valued)})


def _history(workspace: Workspace, shards: Sequence[Shard], is_test: Wanted) -> int:
    """Return how long before the first held-out decision the ledger's events begin: us; 0 where after it."""
    tested = [int(shard.decisions.epoch_at[rows].min()) for shard in shards if (rows := is_test(shard)).any()]
    begins = next((span.first_at for span in table_spans(workspace) if span.table == "events"), None)
    return max(min(tested) - begins, 0) if tested and begins is not None else 0


def _foreign_logs(logs: Sequence[Decisions]) -> tuple[int, ...]:
    """Return codes of imported logging policies, when there are a few to compare with each other."""
    codes = {
        code
        for log in logs
        for code in np.unique(log.release[(log.reason == Reason.imported) & (log.release >= 0)]).tolist()
    }
    return tuple(sorted(codes)) if 2 <= len(codes) <= _FEW_LOGS else ()


def _cross_fit(release: Release, chosen: Chosen, compared: Sequence[int], progress: Progress) -> Predict:
    """Fit the outcome model once per fold (and per logging policy, when these are compared)."""
    from homing.models import fit_response

    config = release.view.config
    # an average of networks would be five times the work, for intervals that are no shorter
    training = config.training.model_copy(update={"members": 1})
    folds = config.evaluation.folds
    fold = folds_by_user(chosen.user_hash, folds)
    known = np.isfinite(chosen.outcome).any(axis=1)
    groups: tuple[int | None, ...] = tuple(compared) or (None,)
    models = {}
    for place, (group, k) in enumerate((group, k) for group in groups for k in range(folds)):
        rows = np.flatnonzero((fold != k) & known & ((chosen.release == group) | (group is None)))
        share = config.training.calibration_share
        # by user, for folds have no order in time; low bits, for the high ones may have made the split
        held = (chosen.user_hash[rows] << np.uint64(20)) / 2.0**64 >= 1 - share
        models[group, k] = fit_response(
            chosen.features,
            chosen.outcome,
            heads_of(over_horizons(config)),
            rows[~held],
            rows[held],
            training,
            config.engine.threads,
            _part_of(progress, place, folds * len(groups)),
        )

    def predict(
        features: Features, user_hash: NDArray[np.uint64], logged_by: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        mine = folds_by_user(user_hash, folds)
        result = np.empty((len(features), len(release.objectives)), np.float32)
        for (group, k), model in models.items():
            rows = np.flatnonzero((mine == k) & ((logged_by == group) | (group is None)))
            if len(rows):
                part = features.take_rows(rows)
                result[np.isin(features.row, rows)] = model.predict(part)
        return result

    return predict


def _part_of(progress: Progress, place: int, parts: int) -> Callable[[float, str], None]:
    """Return a listener that shows one of several fits as its part of one step."""
    return lambda done, note: progress.update("cross-fit", (place + done) / parts, note)
