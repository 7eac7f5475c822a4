"""One day of the world: visits that come by themselves, what the day's sends do, and how it leaves people."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.schema.times import DAY, HOUR, MINUTE, SECOND
from homing.simulator.latents import NEVER, Mood, Reach, State
from homing.simulator.log import Block, caused, organic
from homing.simulator.mechanisms.fatigue import recover
from homing.simulator.mechanisms.habit import next_dormant, next_habit
from homing.simulator.mechanisms.reach import loss_hazard, opt_in_hazard
from homing.simulator.mechanisms.stages import growth_factor
from homing.simulator.mechanisms.visits import (
    displaced,
    hour_of_day,
    visit_counts,
    visit_mean,
    visit_minutes,
    weekday_factor,
)
from homing.simulator.randomness import Purpose
from homing.simulator.reaction import Reaction, message_events, react, stages
from homing.simulator.sending import Sending
from homing.simulator.setting import Setting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WAIT = DAY  # an in-app message that no visit has shown by then is dropped
EXTENSION = 9.0  # minutes that a worthwhile click in the app adds to the visit; assumed


@dataclass(frozen=True)
class Visits:
    """Visits, sorted by (user, at)."""

    user: Ints  # [n]
    at: Ints  # [n] us
    worthwhile: Bools  # [n]
    minutes: Floats  # [n]
    send: Ints  # [n] row of the send that caused it, -1: organic

    def take(self, index: Ints | Bools) -> Visits:
        """Return some rows."""
        return Visits(
            self.user[index], self.at[index], self.worthwhile[index], self.minutes[index], self.send[index]
        )

    def merged(self, other: Visits) -> Visits:
        """Return both, sorted."""
        user, at = np.concatenate([self.user, other.user]), np.concatenate([self.at, other.at])
        return Visits(
            user,
            at,
            np.concatenate([self.worthwhile, other.worthwhile]),
            np.concatenate([self.minutes, other.minutes]),
            np.concatenate([self.send, other.send]),
        ).take(np.lexsort((at, user)))


def simulate_day(setting: Setting, state: State, day: int, sending: Sending) -> tuple[State, list[Block]]:
    """Return how users stand after a day, and its events. Pure: the same arguments give the same day.

    Args:
        setting: the world.
        state: at the start of the day.
        day: number of the day, from 0.
        sending: the day's sends.
    """
    mood, waiting = state.mood, state.waiting
    in_app = setting.channels.index("in_app") if "in_app" in setting.channels else -1
    direct = sending.where(sending.channel != in_app)
    shown_at = direct.slot_start + (direct.uniform[:, 0] * (direct.slot_end - direct.slot_start)).astype(
        np.int64
    )
    arrives = mood.reach.at(direct.user, direct.channel, shown_at)
    delivered = direct.where(arrives)
    delivered_at = shown_at[arrives]
    reaction = react(setting, mood, day, delivered, delivered_at)

    visits, moved = _visits(setting, mood, day, delivered, reaction)
    fresh = sending.where(sending.channel == in_app)
    queue = fresh.and_then(waiting.where(~np.isin(waiting.user, fresh.user)))  # a newer one replaces an older
    place = _first_visit(visits, queue, setting.start + day * DAY)
    visit_at = visits.at[place] if len(visits.at) else queue.slot_start
    shown = (place >= 0) & mood.reach.at(queue.user, queue.channel, visit_at)
    in_visit = queue.where(shown)
    in_visit_at = visit_at[shown] + 2 * SECOND
    in_visit_reaction = react(setting, mood, day, in_visit, in_visit_at)
    extended = in_visit_reaction.clicked & in_visit_reaction.welcome
    visits.minutes[place[shown][extended]] += EXTENSION

    end = setting.start + (day + 1) * DAY
    blocks = [
        *_visit_events(setting, day, visits, delivered),
        caused("bounced", direct, ~arrives, shown_at),
        *message_events(delivered, delivered_at, reaction),
        *message_events(in_visit, in_visit_at, in_visit_reaction),
    ]
    after = _next_mood(
        setting,
        replace(mood, moved=moved),
        day,
        visits,
        ((delivered, reaction), (in_visit, in_visit_reaction)),
    )
    blocks.append(_opt_ins(mood.reach, after.reach))
    return State(after, queue.where((place < 0) & (queue.slot_start + WAIT > end))), blocks


def _opt_ins(before: Reach, after: Reach) -> Block:
    user, channel = np.nonzero(before.since != after.since)
    return replace(organic("opted_in", user, after.since[user, channel]), channel=channel.astype(np.int16))


def _visits(
    setting: Setting, mood: Mood, day: int, delivered: Sending, reaction: Reaction
) -> tuple[Visits, Ints]:
    """Return the day's visits, organic ones not displaced and caused ones, and `Mood.moved`."""
    own = _organic_visits(setting, mood, day)
    push = setting.through("push", delivered.channel)
    comes = np.where(push, reaction.opened, reaction.clicked)
    row = np.flatnonzero(comes)
    at = np.where(push, reaction.open_at, reaction.click_at)[row] + SECOND
    user = delivered.user[row]
    m = setting.mechanisms
    worthwhile = reaction.welcome[row]
    scale = setting.traits.minutes[user] * m.length.caused
    by_message = Visits(
        user, at, worthwhile, visit_minutes(m.length, scale, delivered.normal[row, 1], worthwhile), row
    )
    before = np.flatnonzero(mood.moved != NEVER)
    caused_user, caused_at = np.concatenate([before, user]), np.concatenate([mood.moved[before], at])
    gone, still = displaced(
        m.displacement,
        user=own.user,
        at=own.at,
        caused_user=caused_user,
        caused_at=caused_at,
        uniform=np.concatenate([np.zeros(len(before)), delivered.uniform[row, 7]]),
    )
    still &= caused_at + m.displacement.hours * HOUR > setting.start + (day + 1) * DAY
    moved = np.full(len(mood.moved), NEVER)
    moved[caused_user[still]] = caused_at[still]
    return own.take(~gone).merged(by_message), moved


def _organic_visits(setting: Setting, mood: Mood, day: int) -> Visits:
    """Return visits that no message causes, by habit, weekday and daily rhythm."""
    m, traits = setting.mechanisms, setting.traits
    users = len(mood.habit)
    busiest = weekday_factor(m.week, np.arange(7)).max()
    mean = visit_mean(m.week, traits.intensity, mood.habit, mood.dormant)
    count = visit_counts(mean, setting.stream(day, Purpose.visits).random())
    most = int(count.max(initial=0))
    user = np.repeat(np.arange(users), count)
    turn = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    hour_luck = setting.stream(day, Purpose.visit_times).random(most)[turn, user]
    outcomes = setting.stream(day, Purpose.visit_outcomes)
    thin, worth = np.empty(len(user)), np.empty(len(user))
    normal = np.empty(len(user))
    for nth in range(most):  # a visit's luck belongs to the user and its turn, however many there are
        mine = turn == nth
        luck, spread = outcomes.random(2), outcomes.standard_normal()
        thin[mine], worth[mine], normal[mine] = luck[0, user[mine]], luck[1, user[mine]], spread[user[mine]]

    cumulative = np.concatenate(
        [np.zeros((len(setting.rhythm), 1)), np.cumsum(setting.rhythm, axis=1)], axis=1
    )
    local_hour = hour_of_day(cumulative, traits.archetype[user], hour_luck) + traits.shift[user]
    clock = (local_hour * HOUR).astype(np.int64)
    begin = setting.start + day * DAY
    at = begin + (clock - setting.offsets[day][setting.zone[user]] - begin) % DAY
    weekday = (setting.local(day, user, at) // DAY + 3) % 7  # 1970-01-01 was a Thursday
    keep = (thin * busiest < weekday_factor(m.week, weekday)) & (at >= traits.signed_up_at[user])
    worthwhile = worth < traits.content_match[user]
    minutes = visit_minutes(m.length, traits.minutes[user], normal, worthwhile)
    order = np.lexsort((at, user))
    return Visits(user, at, worthwhile, minutes, np.full(len(user), -1)).take(order[keep[order]])


def _first_visit(visits: Visits, queue: Sending, day_start: int) -> Ints:
    """Return the row of the first visit that can show each waiting message, -1 where there is none."""
    if not len(visits.at) or not len(queue):
        return np.full(len(queue), -1)
    span = int(max(visits.at.max(), (queue.slot_start + WAIT).max()) - day_start) + 1
    since = np.maximum(queue.slot_start, day_start)
    place = np.searchsorted(
        visits.user * span + (visits.at - day_start), queue.user * span + (since - day_start)
    )
    inside = np.minimum(place, len(visits.at) - 1)
    found = (
        (place < len(visits.at))
        & (visits.user[inside] == queue.user)
        & (visits.at[inside] < queue.slot_start + WAIT)
    )
    return np.where(found, inside, -1)


def _visit_events(setting: Setting, day: int, visits: Visits, delivered: Sending) -> list[Block]:
    own = visits.send < 0
    chance = setting.stream(day, Purpose.organic_conversions).random()
    first = np.ones(len(visits.user), np.bool_)
    first[1:] = visits.user[1:] != visits.user[:-1]
    p = setting.mechanisms.conversion
    buys = own & first & (chance[visits.user] < p.organic)
    by_message = visits.take(~own)
    column = np.zeros(len(delivered), np.int64)
    minutes = np.zeros(len(delivered))
    came = np.zeros(len(delivered), np.bool_)
    column[by_message.send], minutes[by_message.send], came[by_message.send] = (
        by_message.at,
        by_message.minutes,
        True,
    )
    return [
        organic("session", visits.user[own], visits.at[own], visits.minutes[own]),
        organic(
            "converted",
            visits.user[buys],
            visits.at[buys] + MINUTE,
            np.full(int(buys.sum()), p.organic_money),
        ),
        caused("session", delivered, came, column, minutes),
    ]


def _next_mood(
    setting: Setting, mood: Mood, day: int, visits: Visits, sent: tuple[tuple[Sending, Reaction], ...]
) -> Mood:
    """Return users at the start of the next day."""
    m = setting.mechanisms
    users = len(mood.habit)
    fatigue, memory = mood.fatigue.copy(), mood.memory.copy()
    until, free_plan = mood.reach.until.copy(), mood.free_plan.copy()
    cost = np.zeros(users)
    good = visits.worthwhile.astype(np.float64) * np.where(visits.send >= 0, m.habit.discovery, 1.0)
    worthwhile = np.bincount(visits.user, good, minlength=users).astype(np.float64)
    for sending, reaction in sent:
        category = setting.catalogue.messages.category[sending.message]
        fatigue += _count(sending.user, sending.channel, users, len(setting.channels))
        memory += _count(sending.user, category, users, memory.shape[1])
        cost += np.bincount(sending.user, reaction.annoyance, minlength=users)
        inside = (
            setting.through("in_app", sending.channel) & reaction.welcome
        )  # within a visit counted already
        worthwhile += np.bincount(sending.user[inside], minlength=users) * (m.habit.discovery - 1.0)
        out = reaction.opted_out
        until[sending.user[out], sending.channel[out]] = reaction.opt_out_at[out]
        subscribes = setting.catalogue.once[sending.message]
        free_plan[sending.user[reaction.converted & subscribes]] = False
    habit = grown(setting, mood, day, worthwhile, cost)
    visited = np.bincount(visits.user, minlength=users) > 0
    luck = setting.stream(day, Purpose.churn).random()
    signed_up = setting.traits.signed_up_at < setting.start + (day + 1) * DAY
    dormant = next_dormant(m.churn, mood.dormant, habit, visited, luck)
    returned = mood.dormant & ~dormant
    habit = np.where(returned, np.maximum(habit, m.churn.habit_after), habit)
    reach = replace(mood.reach, until=until)
    return replace(
        rested(setting, replace(mood, fatigue=fatigue, memory=memory), day, habit),
        dormant=dormant & signed_up,
        free_plan=free_plan,
        reach=_next_reach(setting, reach, day, mood.dormant, visited, signed_up),
    )


def grown(setting: Setting, mood: Mood, day: int, worthwhile: Floats, cost: Floats) -> Floats:
    """Return the habit [users] after a day of so many worthwhile visits and of so much annoyance."""
    factor = growth_factor(setting.mechanisms.stages, stages(setting, mood, day))
    return next_habit(setting.mechanisms.habit, mood.habit, worthwhile * factor, cost)


def rested(setting: Setting, mood: Mood, day: int, habit: Floats) -> Mood:
    """Return users after the night: with their new habit [users], and less tired of what they were sent."""
    m = setting.mechanisms
    signed_up = setting.traits.signed_up_at < setting.start + (day + 1) * DAY
    habit = np.where(signed_up, habit, mood.habit)
    keeps = recover(np.ones(1), m.stages.memory)[0]
    return replace(
        mood,
        habit=habit,
        average=np.where(signed_up, keeps * mood.average + (1.0 - keeps) * habit, habit),
        fatigue=recover(mood.fatigue, m.fatigue.half_life.of(setting.channels)),
        memory=recover(mood.memory, m.repetition.half_life),
    )


def _next_reach(
    setting: Setting, reach: Reach, day: int, dormant: Bools, visited: Bools, signed_up: Bools
) -> Reach:
    """Return who can be reached tomorrow: addresses get lost, and people who visit opt in.

    Somebody whose reach ended today, or ends later, is not asked before tomorrow.
    """
    m, channels = setting.mechanisms, setting.channels
    begin = setting.start + day * DAY
    luck = setting.stream(day, Purpose.reach).random(3, trailing=(len(channels),))
    at = begin + (luck[2] * DAY).astype(np.int64)
    open_ended = (reach.since <= begin) & (reach.until == NEVER)
    ended = (reach.since == NEVER) | (reach.until <= begin)
    loses = open_ended & (luck[0] < loss_hazard(m.token_loss, m.token_loss.hazard.of(channels), dormant))
    asked = visited & signed_up & (setting.traits.signed_up_at <= begin)
    joins = ended & (luck[1] < opt_in_hazard(m.opt_in, m.opt_in.hazard.of(channels), asked, reach.lost))
    return Reach(
        since=np.where(joins, at, reach.since),
        until=np.where(loses, at, np.where(joins, NEVER, reach.until)),
        lost=np.where(joins, False, reach.lost | loses),
    )


def _count(user: Ints, column: NDArray[np.integer], users: int, columns: int) -> Floats:
    """Return how often each pair comes, [users, columns]."""
    flat = np.bincount(user * columns + column, minlength=users * columns)
    return flat.reshape(users, columns).astype(np.float64)
