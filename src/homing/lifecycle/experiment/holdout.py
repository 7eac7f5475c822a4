"""The global holdout read: what all messages together changed, by quarter and since it began.

1. Find since when users are held out, from the arms that their decisions were logged with.
2. Count each user's events period by period, in one scan of each partition; moments of users add.
3. Check that who is held out is who the hash says, and always was.
4. Compare the others with who is held out, in every period and since the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.engine import over_shards, worker_count
from homing.experiments import (
    Check,
    Difference,
    HoldoutMoments,
    Moments,
    always_valid,
    holdout_moments,
    in_holdout,
    sample_ratio,
)
from homing.lifecycle.experiment.analyse import FEW, checked, known_until, meaning
from homing.lifecycle.experiment.periods import Every, Period, divided
from homing.report.experiment import Answer
from homing.report.facts import Alert, Estimate, Header, Tone
from homing.report.holdout import HoldoutDifference, HoldoutFacts, HoldoutMetric, HoldoutPeriod
from homing.report.words import YOUNG_DAYS, holdout_in_words
from homing.schema import Config, InputError
from homing.schema.experiment import HOLDOUT, SENT, Metric
from homing.schema.times import DAY, MISSING, format_time
from homing.store import Cohort, Held, Number, Workspace, held_by, user_numbers

_ALPHA: Final = 0.05
_ALPHA_QUALITY: Final = 0.001
_BEST_AFTER: Final = 91 * DAY  # when intervals that hold at all times are narrowest: a first quarter


@dataclass(frozen=True)
class _Counts:
    """Users who could count, by side, as the ledger has them."""

    held: int = 0  # with a decision as held out
    rest: int = 0  # with another decision
    astray: int = 0  # with decisions of the side that their hash does not give

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(self.held + other.held, self.rest + other.rest, self.astray + other.astray)


def read_holdout(
    workspace: Workspace, since: int | None = None, until: int | None = None, every: Every = "quarter"
) -> HoldoutFacts:
    """Read the global holdout.

    Args:
        workspace: with decisions of users who were held out, and events after them.
        since: us; from when on it is read, as where its share was changed. None: since its first decision.
        until: us; nothing from it on is looked at. None: all that is known.
        every: how time is divided, in UTC.

    Raises:
        InputError: there is no holdout, nobody was held out yet, or nothing is known after its start.
    """
    config, known = workspace.config, known_until(workspace)
    cutoff = known if until is None else min(known, until)
    if config.holdout.share == 0:
        raise InputError(
            "holdout.share == 0, so nobody is held out; set it in homing.toml, such as 0.02, and plan: who "
            "was held out before is told by the hash for the share of that time only"
        )
    partitions = range(workspace.ledger.partitions)
    seen = [held_by(workspace, partition, f"{HOLDOUT}:held", max(cutoff, 0)) for partition in partitions]
    start = _started(workspace, seen, since, cutoff)
    if cutoff <= start:
        raise InputError(
            f"nothing is known after {format_time(start)}, the start of the holdout; ingest the events that "
            "follow"
        )
    periods = divided(start, cutoff, every)
    metrics = metrics_of(config)
    found, counts = _measured(workspace, periods, metrics, seen)
    checks = _checks(workspace, counts)
    shown = tuple(
        _shown(name, metric, found[name], periods, len(metrics)) for name, metric in metrics.items()
    )
    users = next(iter(found.values())).by_period.count
    return HoldoutFacts(
        header=_header(workspace, shown, checks, start, cutoff),
        share=config.holdout.share,
        policy=config.holdout.policy,
        starts_at=format_time(start),
        until=format_time(cutoff),
        every=every,
        confidence=1 - _ALPHA,
        periods=tuple(
            HoldoutPeriod(
                each.label, format_time(each.start), format_time(each.end), each.length, int(held), int(rest)
            )
            for each, (held, rest) in zip(periods, users.tolist(), strict=True)
        ),
        metrics=shown,
        checks=checked(checks, blocking=True),
        alerts=_alerts(periods, users, cutoff - start),
    )


def metrics_of(config: Config) -> dict[str, Metric]:
    """Return what is read: what objectives count, days with an event of the rhythm, opt-outs, and sends."""
    found = {
        name: Metric(role="monitor", event=o.event, aggregate=o.aggregate, direction=o.direction)
        for name, o in config.objectives.items()
    }
    more = {
        "active days": Metric(role="monitor", event=config.state.rhythm, aggregate="active_days"),
        "opt-outs": Metric(role="monitor", event="opted_out", direction="down"),
        "sends": Metric(role="monitor", event=SENT, direction="none"),
    }
    counted = {(metric.event, metric.aggregate) for metric in found.values()}
    return found | {name: m for name, m in more.items() if (m.event, m.aggregate) not in counted}


def _started(workspace: Workspace, seen: Sequence[Held], since: int | None, cutoff: int) -> int:
    first = np.concatenate([part.first_in[part.first_in != MISSING] for part in seen])
    if not len(first):
        raise InputError(
            f"holdout.share == {workspace.config.holdout.share:g}, and no decision was logged under the arm "
            f"{HOLDOUT}:held before {format_time(max(cutoff, 0))}; plan an epoch, and ingest what follows"
        )
    start = int(first.min())
    if since is not None and since < start:
        raise InputError(f"since == {format_time(since)}, must not be before {format_time(start)}, its start")
    return start if since is None else since


def _measured(
    workspace: Workspace, periods: Sequence[Period], metrics: dict[str, Metric], seen: Sequence[Held]
) -> tuple[dict[str, HoldoutMoments], _Counts]:
    """Return the moments of each metric, and who had what decisions."""
    start, cutoff = periods[0].start, periods[-1].end
    cohort = Cohort(("everybody",), start, cutoff, newcomers=True)
    numbers = [
        Number(f"{name} {place}", m.event, m.aggregate, each.start - start, each.end - start)
        for name, m in metrics.items()
        for place, each in enumerate(periods)
    ]
    ends, lengths = np.array([each.end for each in periods]), [each.length for each in periods]
    config = workspace.config

    def of(partition: int) -> tuple[dict[str, HoldoutMoments], _Counts]:
        users, when = user_numbers(workspace, partition, cohort, numbers), seen[partition]
        held = in_holdout(users.hash, config.workspace.salt, config.holdout.share)
        entered = np.searchsorted(ends, users.signed_up_at, side="right")  # not known: from the start
        values = users.values.reshape(len(held), len(metrics), len(periods))
        if not len(held):
            return {}, _Counts()
        moments = {
            name: holdout_moments(
                values[:, place], held, entered, periods=[each.label for each in periods], lengths=lengths
            )
            for place, name in enumerate(metrics)
        }
        return moments, _counted(held, when, start)

    count = workspace.ledger.partitions
    scanned = list(over_shards(of, count, min(worker_count(config.engine.threads), count)))
    total: dict[str, HoldoutMoments] = {}
    for moments, _ in scanned:
        total |= {name: total[name] + part if name in total else part for name, part in moments.items()}
    counts = sum((each for _, each in scanned), _Counts())
    if counts.held == 0:
        raise InputError(
            f"holdout.share == {config.holdout.share:g}, and of {counts.rest:,} users with a decision since "
            f"{format_time(start)} none was held out; read it from an earlier time, or raise the share"
        )
    return total, counts


def _counted(held: NDArray[np.bool_], when: Held, start: int) -> _Counts:
    inside, outside = when.last_in >= start, when.last_out >= start
    astray = np.where(held, outside, inside)
    return _Counts(int((held & inside).sum()), int((~held & outside).sum()), int(astray.sum()))


def _checks(workspace: Workspace, counts: _Counts) -> tuple[Check, ...]:
    share = workspace.config.holdout.share
    sides = Moments(
        ("held", "rest"),
        (),
        np.array([counts.held, counts.rest], np.float64),
        np.zeros((2, 0)),
        np.zeros((2, 0, 0)),
    )
    ratio = sample_ratio(sides, {"held": share, "rest": 1 - share}, alpha=_ALPHA_QUALITY)
    detail = f"{counts.astray:,} users have decisions of the side that their hash does not give"
    if counts.astray:
        detail += "; was the share or the salt changed? Read it from then on with --since"
    return (
        Check("share of users with decisions", ratio.p_value, ratio.alpha, ratio.detail),
        Check("always on one side", 0.0 if counts.astray else 1.0, _ALPHA_QUALITY, detail),
    )


def _shown(
    name: str, metric: Metric, moments: HoldoutMoments, periods: Sequence[Period], many: int
) -> HoldoutMetric:
    """Return a metric's differences; cumulative intervals hold for `many` metrics and all times together."""
    elapsed = np.array([each.end - periods[0].start for each in periods]) / _BEST_AFTER
    critical = always_valid(1 / np.sqrt(elapsed), 1.0, _ALPHA / many)
    alone, relative = (
        moments.readout(name, scale=scale, confidence=1 - _ALPHA, critical=critical)
        for scale in ("absolute", "fieller")
    )
    by_period = _differences(alone.by_period, relative.by_period)
    cumulative = _differences(alone.cumulative, relative.cumulative)
    last = cumulative[-1].absolute
    return HoldoutMetric(
        metric=name,
        meaning=meaning(metric),
        direction=metric.direction,
        unit="rate" if metric.aggregate == "any" else "number",
        by_period=by_period,
        cumulative=cumulative,
        answer=_answer(last, metric),
    )


def _differences(absolute: Difference, relative: Difference) -> tuple[HoldoutDifference, ...]:
    found = []
    for place in range(len(absolute.value)):
        level, held = float(absolute.level[place]), float(absolute.control_level[place])
        apart, share = (
            Estimate(float(each.value[place]), float(each.low[place]), float(each.high[place]))
            for each in (absolute, relative)
        )
        bounded = np.isfinite(share.low) and np.isfinite(share.high)  # else of a level that may be 0
        found.append(HoldoutDifference(level, held, apart, share if bounded else Estimate(nan)))
    return tuple(found)


def _answer(last: Estimate, metric: Metric) -> Answer:
    if not np.isfinite(last.low):
        return "unknown"
    if last.low <= 0 <= last.high or metric.direction == "none":
        return "cannot_tell"
    return "better" if (last.value > 0) == (metric.sign > 0) else "worse"


def _header(
    workspace: Workspace,
    metrics: Sequence[HoldoutMetric],
    checks: Sequence[Check],
    start: int,
    cutoff: int,
) -> Header:
    now = datetime.now(UTC)
    answers = {each.answer for each in metrics}
    tone: Tone = "bad" if "worse" in answers else "good" if "better" in answers else "neutral"
    failed = [f"the check '{check.name}' fails ({check.detail})" for check in checks if not check.passed]
    verdict = holdout_in_words(metrics, format_time(start)[:10], (cutoff - start) // DAY)
    if failed:
        tone, verdict = "bad", f"The holdout cannot be read: {'; '.join(failed)}."
    return Header(
        workspace=workspace.config.workspace.name,
        run_id=f"{now:%Y%m%dT%H%M%S}-holdout",
        created_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        verdict=verdict,
        tone=tone,
        verdict_basis="All other users less those held out, since the start: intervals of 95 % that hold for "
        "all metrics and every time of looking together.",
    )


def _alerts(periods: Sequence[Period], users: NDArray[np.float64], age: int) -> tuple[Alert, ...]:
    alerts = []
    if users[-1].min() < FEW:
        alerts.append(
            Alert(
                "warning",
                "few users",
                f"Only {int(users[-1, 0]):,} users are held out, beside {int(users[-1, 1]):,} others; with "
                f"fewer than {FEW} on a side, intervals are a hope.",
                "raise holdout.share, and read it from then on with --since",
            )
        )
    if age < YOUNG_DAYS * DAY:
        alerts.append(
            Alert(
                "warning", "too young", f"The holdout is {age // DAY} days old; effects of first days fade."
            )
        )
    if parts := [each.label for each in periods if each.length < 1]:
        alerts.append(
            Alert("note", "parts", f"Of {', '.join(parts)} only a part is counted; sums in it are smaller.")
        )
    return tuple(alerts)
