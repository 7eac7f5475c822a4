"""The loop closed: what was learned from a log decides for half of the users, a rule of thumb for the rest.

1. Live through the log once more: the same people under the same policy, up to the day on which it ended.
2. Go on with two arms, split by a hash of the user.
3. Compare the arms by person, adjusted by what each person did before.
4. Put what off-policy evaluation had promised per decision beside what the decisions of the trial brought.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import NormalDist
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from homing.engine import over_shards, worker_count
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.record import Record, save_record, stage_facts
from homing.lifecycle.replay import outcomes_of
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.entrants import made
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.measures import lives
from homing.lifecycle.worlds.rollout import Rollout
from homing.report.facts import ArmMeasure, Estimate, ObjectiveValues, Promise, Trial, Values
from homing.report.leaderboard import Measure
from homing.schema import Config, InputError, Users
from homing.schema.mixing import mix64
from homing.schema.times import DAY, format_time, parse_duration
from homing.simulator import Setup, World, world_maker

_SALT = np.uint64(0x7C15A3D1E58B6C49)  # so that arms have nothing to do with draws or splits


@dataclass(frozen=True)
class _Lived:
    """What one part of the population did, before the trial and in it."""

    measures: tuple[Measure, ...]
    treated: NDArray[np.bool_]  # [people]
    before: NDArray[np.float64]  # [people, measures]
    after: NDArray[np.float64]  # [people, measures]
    decisions: NDArray[np.float64]  # [people] whose outcomes are complete
    outcomes: NDArray[np.float64]  # [people, objectives] sums over those decisions


def hold_trial(
    world: str,
    setup: Setup,
    log_days: int,
    ground: Ground,
    values: Values,
    control: str = "rules",
    progress: Progress | None = None,
) -> Trial:
    """Let the release decide for half of the people of the world that its log came from.

    The trial is saved as the record of the demo.

    Args:
        world: its name.
        setup: of the days of the log and of the trial.
        log_days: for which the policy `random` wrote the log.
        ground: the ledger of the log, and the release that learned from it.
        values: of the evaluation of that release.
        control: policy of the other half, by a name in `homing.lifecycle.worlds.entrants`.
        progress: where to report.

    Raises:
        InputError: the trial is shorter than a window or horizon of objectives, or an arm is nearly empty.
    """
    progress, timings, config = progress or Silent(), Timings(), over_horizons(ground.config)
    setup = dataclasses.replace(setup, channels=tuple(config.channels))
    window = max(parse_duration(objective.window) for objective in config.objectives.values())
    days = setup.days - log_days
    if days * DAY < window:
        raise InputError(
            f"trial == {days} days, must be at least as long as the longest window or horizon of objectives; "
            "see 'homing config explain objectives'"
        )
    maker, parts = world_maker(world), list(setup.parts())
    done, lock = [0.0] * len(parts), Lock()

    def of_part(number: int) -> _Lived:
        def report(day: int) -> None:
            with lock:
                done[number] = day / setup.days
                progress.update("trial", sum(done) / len(parts), f"day {day} of {setup.days}")

        part = maker(parts[number])
        logging, other = (made(name, ground)(part) for name in ("random", control))
        learned = Contender("learned", ground.release.policy(), ground.score)
        return _live(part, log_days, ground, logging, (learned, other), report)

    with timings.measure("trial"):
        lived = list(over_shards(of_part, len(parts), worker_count(config.engine.threads)))
    trial = _conclude(config, values, lived, control, setup.start + log_days * DAY, days)
    save_record(
        ground.workspace,
        Record("demo", stage_facts(ground.workspace, "demo", timings, ground.release.id, trial=trial)),
    )
    return trial


def in_treatment(users: Users) -> NDArray[np.bool_]:
    """Return which users are in the treatment: bool [users], by a hash of the user alone."""
    return np.asarray(mix64(mix64(users.hash[:, 0] ^ _SALT) ^ users.hash[:, 1]) < np.uint64(1 << 63))


def _live(
    world: World,
    log_days: int,
    ground: Ground,
    logging: Contender,
    arms: Sequence[Contender],
    report: Callable[[int], None],
) -> _Lived:
    """Return what a part of the population did in the trial."""
    run = Rollout(world, ground.config, ground.vocabularies)
    for day in range(log_days):
        run.day([logging])
        report(day + 1)
    before = lives(run)
    treated = in_treatment(world.users)
    for day in range(log_days, world.days):
        run.day(arms, np.where(treated, 0, 1))
        report(day + 1)
    after = lives(run, since=log_days)
    decisions, outcomes = _outcomes(run, over_horizons(ground.config), world.start + log_days * DAY)
    return _Lived(after.measures, treated, before.numbers, after.numbers, decisions, outcomes)


def _outcomes(run: Rollout, config: Config, since: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each person's decisions from `since` (us) on with complete outcomes, and the sums of these."""
    shard = run.shard()
    row = np.flatnonzero(shard.decisions.epoch_at >= since)
    followed = outcomes_of(shard, row, config, run.world.now).astype(np.float64)
    complete = np.isfinite(followed).all(axis=1)
    user, people = shard.decisions.user[row[complete]], len(shard.users)
    sums = [np.bincount(user, column, minlength=people) for column in followed[complete].T]
    return np.bincount(user, minlength=people).astype(np.float64), np.column_stack(sums)


def _conclude(
    config: Config, values: Values, lived: Sequence[_Lived], control: str, start: int, days: int
) -> Trial:
    treated = np.concatenate([one.treated for one in lived])
    before = np.concatenate([one.before for one in lived])
    after = np.concatenate([one.after for one in lived])
    decisions = np.concatenate([one.decisions for one in lived])
    outcomes = np.concatenate([one.outcomes for one in lived])
    people = (int(treated.sum()), int((~treated).sum()))
    for arm, name in ((treated, "treatment"), (~treated, "control")):
        if arm.sum() < 2 or not decisions[arm].any():
            raise InputError(f"users in {name} == {arm.sum()}, must be >= 2 with decisions; take more users")
    level = NormalDist().inv_cdf(0.5 + values.confidence / 2)
    # the utility is the weighted sum of the objectives, as in the evaluation
    weights = np.array([objective.signed_weight for objective in config.objectives.values()])
    columns = {"utility": outcomes @ weights} | dict(zip(config.objectives, outcomes.T, strict=True))
    return Trial(
        treatment="learned",
        control=control,
        starts_at=format_time(start),
        days=days,
        people=people,
        measures=tuple(
            _measure(measure, before[:, place], after[:, place], treated, level)
            for place, measure in enumerate(lived[0].measures)
        ),
        promises=tuple(
            _promise(table, values, columns[table.objective], decisions, treated, level)
            for table in values.objectives
        ),
        confidence=values.confidence,
    )


def _measure(
    measure: Measure,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    treated: NDArray[np.bool_],
    level: float,
) -> ArmMeasure:
    """Return the arms on one measure; the difference is adjusted by the same number before the trial.

    Source: Deng, Xu, Kohavi and Walker, WSDM 2013 (CUPED).
    """
    spread = before.var()
    slope = 0.0 if spread == 0 else float(np.cov(before, after, bias=True)[0, 1] / spread)
    adjusted = after - slope * (before - before.mean())
    arms = [_mean(adjusted[arm], level) for arm in (treated, ~treated)]
    gap = arms[0].value - arms[1].value
    half = sqrt(sum(((arm.high - arm.low) / 2) ** 2 for arm in arms))
    difference = Estimate(gap, gap - half, gap + half)
    base = arms[1]
    return ArmMeasure(
        measure.name,
        measure.unit,
        measure.direction,
        measure.meaning,
        arms[0],
        base,
        difference,
        _ratio(arms[0], base, level),
    )


def _mean(numbers: NDArray[np.float64], level: float) -> Estimate:
    value, half = float(numbers.mean()), level * float(numbers.std(ddof=1)) / sqrt(len(numbers))
    return Estimate(value, value - half, value + half)


def _ratio(treated: Estimate, control: Estimate, level: float) -> Estimate:
    """Return (treated - control) / control of two independent means, by the delta method."""
    if control.value == 0:
        return Estimate(nan)
    ratio = treated.value / control.value
    halves = (treated.high - treated.low) / 2, ratio * (control.high - control.low) / 2
    half = sqrt(halves[0] ** 2 + halves[1] ** 2) / abs(control.value)
    return Estimate(ratio - 1, ratio - 1 - half, ratio - 1 + half)


def _promise(
    table: ObjectiveValues,
    values: Values,
    sums: NDArray[np.float64],
    decisions: NDArray[np.float64],
    treated: NDArray[np.bool_],
    level: float,
) -> Promise:
    named = {policy.policy: policy.value for policy in table.policies}
    over_horizons, control = (_per_decision(sums[arm], decisions[arm], level) for arm in (treated, ~treated))
    return Promise(
        table.objective,
        table.unit,
        table.meaning,
        named[values.logging],
        named["learned"],
        over_horizons,
        control,
    )


def _per_decision(sums: NDArray[np.float64], decisions: NDArray[np.float64], level: float) -> Estimate:
    """Return a mean over decisions, with an interval over the people who had them."""
    value = float(sums.sum() / decisions.sum())
    spread = np.square(sums - value * decisions).sum() * len(sums) / (len(sums) - 1)
    half = level * sqrt(float(spread)) / float(decisions.sum())
    return Estimate(value, value - half, value + half)
