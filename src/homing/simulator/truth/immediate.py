"""What one send brings by itself, in closed form from the functions that the world draws from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema.times import DAY, HOUR, MINUTE, SECOND
from homing.simulator.day import EXTENSION, WAIT, grown, rested
from homing.simulator.latents import NEVER, Mood
from homing.simulator.mechanisms.conversion import converted_within
from homing.simulator.mechanisms.habit import leave_hazard
from homing.simulator.mechanisms.reach import loss_hazard
from homing.simulator.mechanisms.response import opened_within
from homing.simulator.mechanisms.visits import mean_minutes, no_visit, visit_mean, weekday_factor
from homing.simulator.reaction import Chances, chances
from homing.simulator.setting import Setting
from homing.simulator.truth.asked import Asked

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS: Final = 3  # that a slot of today or tomorrow and the wait behind it can touch
_TO_CLICK: Final = 18.0 / 60  # minutes from an open to a click: their mean
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class Expected:
    """Probabilities and means of what a send brings by itself, before anything that follows from it."""

    delivered: Floats  # [n]
    opened: Floats  # [n]
    clicked: Floats  # [n]
    dismissed: Floats  # [n]
    visited: Floats  # [n] a visit of its own; an in-app message comes within one
    minutes: Floats  # [n] of that visit, or by which it is longer; visits that it moves are not taken off
    welcome: Floats  # [n] it leads to something that was worth it
    converted: Floats  # [n]
    money: Floats  # [n]
    opted_out: Floats  # [n] of the channel
    annoyance: Floats  # [n] share of habit

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(Expected))
        )


def immediate(
    setting: Setting,
    mood: Mood,
    day: int,
    asked: Asked,
    until: Ints | None,
) -> Expected:
    """Return what each send brings by itself; see `Truth.expected`.

    Args:
        setting: with clocks for two more days.
        mood: at the start of the day.
        day: on which the sends are decided.
        asked: [n] sends.
        until: [n] us, from which on a conversion does not count any more; None: whenever it comes.
    """
    waits = setting.through("in_app", asked.channel)
    result = Expected(*(np.zeros(len(asked)) for _ in fields(Expected)))
    for way, which in ((_direct, np.flatnonzero(~waits)), (_in_app, np.flatnonzero(waits))):
        if len(which):
            sends = asked.take(which)
            who = sends.user
            part = way(
                setting.take(who, who, setting.luck),
                mood.take(who),
                day,
                sends,
                None if until is None else until[which],
            )
            for field in fields(Expected):
                getattr(result, field.name)[which] = getattr(part, field.name)
    return result


def _direct(setting: Setting, mood: Mood, day: int, sends: Asked, until: Ints | None) -> Expected:
    """Return what arrives at a uniform moment of the slot brings."""
    opens, closes = _span(mood, sends.channel)
    edges = np.clip(_edges(setting, day, sends.start, sends.end, HOUR), opens, closes)
    weight = np.diff(edges, axis=1) / (sends.end - sends.start)[:, None]
    return _brought(setting, mood, day, sends, edges, weight, until)


def _in_app(setting: Setting, mood: Mood, day: int, sends: Asked, until: Ints | None) -> Expected:
    """Return what messages bring that wait for the first visit, on the day or on one after it."""
    m = setting.mechanisms
    in_app = setting.channels.index("in_app")
    step = HOUR if m.response.opening.moment.in_app and m.response.opening.moment_on else 6 * HOUR
    opens, closes = _span(mood, sends.channel)
    here, left = (~mood.dormant).astype(np.float64), mood.dormant.astype(np.float64)  # not shown yet
    mood = replace(mood, dormant=np.zeros_like(mood.dormant))  # nobody who has left visits
    total = Expected(*(np.zeros(len(sends.start)) for _ in fields(Expected)))
    for today in range(day, day + DAYS):
        begin = setting.start + today * DAY
        low = np.clip(np.maximum(sends.start, setting.traits.signed_up_at), begin, begin + DAY)
        high = np.maximum(np.clip(sends.start + WAIT, begin, begin + DAY), low)
        mean = visit_mean(m.week, setting.traits.intensity, mood.habit, mood.dormant)
        edges = np.clip(_edges(setting, today, low, high, step), opens, closes)
        before = _share_before(setting, today, low[:, None])
        inside = np.clip(edges, low[:, None], high[:, None])
        unseen = no_visit(mean, _share_before(setting, today, inside) - before)
        weight = here[:, None] * -np.diff(unseen, axis=1)
        total += _brought(setting, mood, today, sends, edges + 2 * SECOND, weight, until)

        still = no_visit(mean, _share_before(setting, today, high[:, None]) - before)[:, 0]
        idle = no_visit(mean, before)[:, 0]
        keeps = (
            1.0 - loss_hazard(m.token_loss, m.token_loss.hazard.of(setting.channels), left > here)[:, in_app]
        )
        habit = grown(setting, mood, today, _worthwhile(setting, mean * before[:, 0]), np.zeros(len(low)))
        leaves = idle * leave_hazard(
            m.churn, grown(setting, mood, today, np.zeros(len(low)), np.zeros(len(low)))
        )
        returns = left * m.churn.come_back * m.churn.on
        stay = here * still * (1.0 - leaves)
        left = keeps * (here * still * leaves + left - returns)
        here = keeps * (stay + returns)
        back = np.maximum(habit, m.churn.habit_after)
        habit = np.where(here > 0, keeps * (stay * habit + returns * back) / np.maximum(here, 1e-300), habit)
        mood = rested(setting, mood, today, habit)
    return total


def _span(mood: Mood, channel: Ints) -> tuple[Ints, Ints]:
    """Return since when and until when each row is reachable, us [n, 1]."""
    row = np.arange(len(channel))
    far = NEVER // 2  # so that sums with it do not overflow
    since = np.minimum(mood.reach.since[row, channel], far)[:, None]
    return since, np.maximum(np.minimum(mood.reach.until[row, channel], far)[:, None], since)


def _edges(setting: Setting, day: int, low: Ints, high: Ints, step: int) -> Ints:
    """Return instants from `low` to `high` [n], cut where hours of each user's own rhythm begin: [n, k]."""
    row = np.arange(len(low))
    own = setting.local(day, row, low) - (setting.traits.shift * HOUR).astype(np.int64)
    first = low + step - own % step
    count = int((high - low).max(initial=0) // step) + 1
    inner = first[:, None] + step * np.arange(count)
    edges = np.concatenate([low[:, None], inner, high[:, None]], axis=1)
    return np.asarray(np.clip(edges, low[:, None], high[:, None]))


def _share_before(setting: Setting, day: int, at: Ints) -> Floats:
    """Return the share of the visits tried on a day that happen before `at` (us, [n, k])."""
    traits, week = setting.traits, setting.mechanisms.week
    shift = (traits.shift * HOUR)[:, None]
    begin = setting.local(day, np.arange(len(at)), np.full(len(at), setting.start + day * DAY))[:, None]
    clock = np.clip(at - (setting.start + day * DAY), 0, DAY) + begin
    midnight = (begin // DAY + 1) * DAY

    def shares(local: Ints) -> Floats:
        hour, rest = np.divmod((local - shift) / HOUR, 1.0)
        turn, hour = np.divmod(hour.astype(np.int64), 24)
        row = traits.archetype[:, None]
        below = np.cumsum(setting.rhythm, axis=1) - setting.rhythm
        return np.asarray(turn + below[row, hour] + rest * setting.rhythm[row, hour])

    weekday = (begin // DAY + 3) % 7  # 1970-01-01 was a Thursday
    today, tomorrow = weekday_factor(week, weekday), weekday_factor(week, (weekday + 1) % 7)
    turn = np.minimum(clock, midnight)
    share = today.reshape(begin.shape) * (shares(turn) - shares(begin)) + tomorrow.reshape(begin.shape) * (
        shares(np.maximum(clock, midnight)) - shares(midnight)
    )
    return np.asarray(share / weekday_factor(week, np.arange(7)).max())


def _worthwhile(setting: Setting, visits: Floats) -> Floats:
    """Return how many worthwhile visits grow habit as a Poisson number of visits [n] does on average."""
    grows = setting.mechanisms.habit.growth
    if grows <= 0:
        return np.zeros_like(visits)
    return np.asarray(-visits * setting.traits.content_match * grows / np.log1p(-grows))


def _brought(
    setting: Setting,
    mood: Mood,
    day: int,
    sends: Asked,
    edges: Ints,
    weight: Floats,
    until: Ints | None,
) -> Expected:
    """Return what deliveries bring.

    Args:
        setting: with a row for each send.
        mood: likewise.
        day: of the deliveries.
        sends: [n]; their users do not matter here.
        edges: us [n, k + 1]: a delivery comes at the middle of two of them,
        weight: [n, k] with this probability.
        until: see `immediate`.
    """
    n, pieces = weight.shape
    row = np.repeat(np.arange(n), pieces)
    at = ((edges[:, 1:] + edges[:, :-1]) // 2).ravel()
    message, channel, here = sends.message[row], sends.channel[row], weight.ravel()
    inside = setting.through("in_app", channel)
    # who is shown a message in a visit comes by himself that day; else nobody knows
    ready = np.ones(len(row)) if inside.all() else None
    p = chances(setting, mood, day, row, message, channel, at, ready)
    m = setting.mechanisms
    opened = here * p.opens * opened_within(m.response.delay, p.open_median, p.open_spread, p.open_longest)
    clicked = opened * p.clicks
    followed = np.where(setting.through("push", channel), opened, clicked)
    welcome = followed * p.worth
    if until is None:
        longest = np.full(len(row), m.conversion.longest)
        converted = clicked * p.converts * converted_within(m.conversion, p.convert_median, longest)
    else:
        minutes = (until[row] - at) / MINUTE
        converted = here * p.opens * p.clicks * p.converts * _in_time(setting, p, minutes - _TO_CLICK)
    length = mean_minutes(m.length, setting.traits.minutes[row] * m.length.caused, p.worth)

    def total(values: Floats) -> Floats:
        return np.asarray(values.reshape(n, pieces).sum(axis=1))

    return Expected(
        delivered=total(here),
        opened=total(opened),
        clicked=total(clicked),
        dismissed=total((here - opened) * p.dismisses),
        visited=total(np.where(inside, 0.0, followed)),
        minutes=total(np.where(inside, welcome * EXTENSION, followed * length)),
        welcome=total(welcome),
        converted=total(converted),
        money=total(converted * p.money),
        opted_out=total((here - welcome) * p.opts_out[:, 0] + welcome * p.opts_out[:, 1]),
        annoyance=total((here - welcome) * p.annoyance[:, 0] + welcome * p.annoyance[:, 1]),
    )


def _in_time(setting: Setting, p: Chances, minutes: Floats) -> Floats:
    """Return the probability [n] that open and conversion both come in time, and together within `minutes`.

    `integral of phi(z) P(delay of the conversion <= min(longest, minutes - median exp(spread z)))` over the
    opens that come in time, by Gauss-Legendre quadrature.
    """
    conversion = setting.mechanisms.conversion
    latest = np.maximum(np.minimum(p.open_longest, minutes), 1e-12)
    top = np.clip(np.log(latest / p.open_median) / p.open_spread, -8.0, 8.0)
    half = (top + 8.0)[:, None] / 2.0
    z = -8.0 + half * (1.0 + _NODES)
    opened = p.open_median[:, None] * np.exp(p.open_spread[:, None] * z)
    rest = np.minimum(minutes[:, None] - opened, conversion.longest)
    come = converted_within(conversion, p.convert_median[:, None], rest)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return np.asarray((half * _WEIGHTS * density * come).sum(axis=1))
