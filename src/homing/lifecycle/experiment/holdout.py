"""The global holdout read: what all messages together changed, by quarter and since it began.

1. Find since when users are held out, from the arms that their decisions were logged with.
2. Count each user's events period by period, and before anybody was held out, in one scan of each partition;
   moments of users add.
3. Check that who is held out is who the hash says, always was, and did not differ before.
4. Compare the others with who is held out, in every period and since the start, less what they did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
    HoldoutReadout,
    Levels,
    Moments,
    always_valid,
    from_arrays,
    holdout_moments,
    in_holdout,
    levels,
    mean,
    ratio,
)
from homing.experiments.holdout import HELD_OUT, REST
from homing.lifecycle.experiment.analyse import FEW, checked, known_until, meaning
from homing.lifecycle.experiment.holdout_checks import Counts, holdout_checks
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
_BEFORE: Final = 28 * DAY  # of the time before anybody was held out: what is compared, and reduces the noise
_BEST_AFTER: Final = 91 * DAY  # when intervals that hold at all times are narrowest: a first quarter


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
    first = _first(workspace, seen, cutoff)
    start = first if since is None else since
    if start < first:
        raise InputError(f"since == {format_time(start)}, must not be before {format_time(first)}, its start")
    if cutoff <= start:
        raise InputError(
            f"nothing is known after {format_time(start)}, the start of the holdout; ingest the events that "
            "follow"
        )
    periods = divided(start, cutoff, every)
    metrics = metrics_of(config)
    found, before, counts = _measured(workspace, periods, metrics, seen, first)
    checks = holdout_checks(config.holdout.share, counts, before, HELD_OUT)
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


def _first(workspace: Workspace, seen: Sequence[Held], cutoff: int) -> int:
    """Return the first decision of who was held out, us."""
    first = np.concatenate([part.first_in[part.first_in != MISSING] for part in seen])
    if not len(first):
        raise InputError(
            f"holdout.share == {workspace.config.holdout.share:g}, and no decision was logged under the arm "
            f"{HOLDOUT}:held before {format_time(max(cutoff, 0))}; plan an epoch, and ingest what follows"
        )
    return int(first.min())


def _measured(
    workspace: Workspace,
    periods: Sequence[Period],
    metrics: dict[str, Metric],
    seen: Sequence[Held],
    first: int,
) -> tuple[dict[str, HoldoutMoments], Moments, Counts]:
    """Return the moments of each metric, of what users did before, and who had what decisions.

    Before is before anybody was held out (`first`), also where the holdout is read from later on.
    """
    start, cutoff = periods[0].start, periods[-1].end
    cohort = Cohort(("everybody",), start, cutoff, newcomers=True)
    numbers = [
        Number(f"{name} {place}", m.event, m.aggregate, each.start - start, each.end - start)
        for name, m in metrics.items()
        for place, each in enumerate(periods)
    ]
    numbers += [
        Number(f"{name} before", m.event, m.aggregate, first - _BEFORE - start, first - start)
        for name, m in metrics.items()
    ]
    ends, lengths = np.array([each.end for each in periods]), [each.length for each in periods]
    config = workspace.config

    def of(partition: int) -> tuple[dict[str, HoldoutMoments], Moments, Counts] | None:
        users, when = user_numbers(workspace, partition, cohort, numbers), seen[partition]
        held = in_holdout(users.hash, config.workspace.salt, config.holdout.share)
        entered = np.searchsorted(ends, users.signed_up_at, side="right")  # not known: from the start
        if not len(held):
            return None
        after, earlier = np.split(users.values, [len(metrics) * len(periods)], axis=1)
        values = after.reshape(len(held), len(metrics), len(periods))
        new = (users.signed_up_at > first - _BEFORE).astype(np.float64)
        moments = {
            name: holdout_moments(
                values[:, place],
                held,
                entered,
                periods=[each.label for each in periods],
                lengths=lengths,
                before={"before": earlier[:, place], "is new": new},
            )
            for place, name in enumerate(metrics)
        }
        before = from_arrays(np.where(held, HELD_OUT, REST), dict(zip(metrics, earlier.T, strict=True)))
        return moments, before, Counts.of(held, when, start)

    count = workspace.ledger.partitions
    scanned = [
        part for part in over_shards(of, count, min(worker_count(config.engine.threads), count)) if part
    ]
    total, before, counts = scanned[0]
    for moments, more, counted in scanned[1:]:
        total = {name: total[name] + part for name, part in moments.items()}
        before, counts = before + more, counts + counted
    if counts.held == 0:
        raise InputError(
            f"holdout.share == {config.holdout.share:g}, and of {counts.rest:,} users with a decision since "
            f"{format_time(start)} none was held out; read it from an earlier time, or raise the share"
        )
    return total, before, counts


def _shown(
    name: str, metric: Metric, moments: HoldoutMoments, periods: Sequence[Period], many: int
) -> HoldoutMetric:
    """Return a metric's differences; cumulative intervals hold for `many` metrics and all times together."""
    elapsed = np.array([each.end - periods[0].start for each in periods]) / _BEST_AFTER
    critical = always_valid(1 / np.sqrt(elapsed), 1.0, _ALPHA / many)
    alone, relative = _readouts(moments, name, critical)
    at = levels(moments.by_period, mean("outcome")), levels(moments.cumulative, ratio("outcome", "periods"))
    by_period = _differences(at[0], alone.by_period, relative.by_period)
    cumulative = _differences(at[1], alone.cumulative, relative.cumulative)
    last = cumulative[-1].absolute
    return HoldoutMetric(
        metric=name,
        meaning=meaning(metric),
        direction=metric.direction,
        unit="rate" if metric.aggregate == "any" else "number",
        by_period=by_period,
        cumulative=cumulative,
        answer=_answer(last, metric),
        noise_taken=float(np.nan_to_num(np.maximum(alone.noise_taken[-1], 0.0))),
    )


def _readouts(
    moments: HoldoutMoments, name: str, critical: NDArray[np.float64]
) -> tuple[HoldoutReadout, HoldoutReadout]:
    """Return the absolute and the relative read-out, adjusted unless a period has few users."""
    if moments.by_period.count.min() < FEW:
        moments = replace(moments, before=())
    absolute, relative = (
        moments.readout(name, scale=scale, confidence=1 - _ALPHA, critical=critical)
        for scale in ("absolute", "fieller")
    )
    return absolute, relative


def _differences(at: Levels, absolute: Difference, relative: Difference) -> tuple[HoldoutDifference, ...]:
    """Return the differences of all periods, beside the levels as they were seen."""
    sides = [at.arms.index(side) for side in (REST, HELD_OUT)]
    found = []
    for place in range(len(absolute.value)):
        level, held = at.value[place, sides].tolist()
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
                "warning",
                "too young",
                f"The holdout is younger than {YOUNG_DAYS} days; effects of first days fade.",
            )
        )
    if parts := [each.label for each in periods if each.length < 1]:
        alerts.append(
            Alert("note", "parts", f"Of {', '.join(parts)} only a part is counted; sums in it are smaller.")
        )
    return tuple(alerts)
