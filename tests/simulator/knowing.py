"""Simple policies that know the world's own probabilities, to see what a world rewards."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator import Setup, SimulatedWorld
from homing.simulator.calibration import active_days
from homing.simulator.mechanisms.fatigue import annoyance
from homing.simulator.mechanisms.response import click_probability, worth_probability
from homing.simulator.population import zone_offsets
from homing.simulator.reaction import open_probability, relevance_of
from homing.simulator.spec import Spec

HOURS = (9, 13, 19)  # local


@dataclass(frozen=True)
class Choices:
    """A day's candidates without hold, and the chances that only the world knows."""

    day: int
    user: NDArray[np.int64]
    click: NDArray[np.float64]  # probability of a click
    gain: NDArray[np.float64]  # expected change of habit
    luck: NDArray[np.float64]  # in [0, 1)


Policy = Callable[[Choices], NDArray[np.float64]]  # the greatest positive score is sent


@dataclass(frozen=True)
class Outcome:
    """What each user did, [users]."""

    late_days: NDArray[np.float64]  # active days in the second half
    sends: NDArray[np.float64]
    clicks: NDArray[np.float64]
    conversions: NDArray[np.float64]
    opt_outs: NDArray[np.float64]


def hold(c: Choices) -> NDArray[np.float64]:
    return np.zeros(len(c.user))


def random(c: Choices) -> NDArray[np.float64]:
    return c.luck


def click_greedy(c: Choices) -> NDArray[np.float64]:
    return c.click


def click_greedy_every_third_day(c: Choices) -> NDArray[np.float64]:
    return np.where((c.user + c.day) % 3 == 0, c.click, 0.0)


def careful(c: Choices) -> NDArray[np.float64]:
    return c.gain


def live(spec: Spec, setup: Setup, policy: Policy) -> Outcome:
    """Run a policy in a world, one send a user and day at most."""
    world = SimulatedWorld(spec, setup)
    offsets = zone_offsets(setup.start, setup.days)
    opportunities, messages = world.opportunities, world.messages
    users, channels = setup.users, len(setup.channels)
    owner = np.repeat(np.arange(users), np.diff(opportunities.offsets))
    sends = np.zeros(users)
    for day in range(setup.days):
        begin = world.now
        row = np.flatnonzero((opportunities.created_at < begin) & (opportunities.expires_at > begin))
        row = np.repeat(row, channels * len(HOURS))
        turn = np.arange(len(row)) % (channels * len(HOURS))
        user, message, channel = owner[row], opportunities.message[row].astype(np.int64), turn % channels
        local = np.array(HOURS)[turn // channels] * HOUR
        at = begin + (local - offsets[day][world.users.zone[user]]) % DAY
        until = messages.valid_until[message]
        keep = world.reachable()[user, channel] & messages.channels[message, channel]
        keep &= (at < opportunities.expires_at[row]) & ((until == MISSING) | (at < until))
        user, message, channel, at = user[keep], message[keep], channel[keep], at[keep]
        score = policy(_choices(world, day, user, message, channel, at))
        order = np.lexsort((-score, user))
        best = order[np.unique(user[order], return_index=True)[1]]
        best = best[score[best] > 0]
        sends[user[best]] += 1
        world.respond(
            day,
            user=user[best],
            message=message[best],
            channel=channel[best],
            slot_start=at[best],
            slot_end=at[best] + HOUR,
            decision_id=np.column_stack([np.full(len(best), day + 1), user[best] + 1]).astype(np.uint64),
        )
    events = world.events()

    def count(name: str) -> NDArray[np.float64]:
        mine = events["type"] == EVENT_TYPES.index(name)
        return np.bincount(events["user"][mine], minlength=users).astype(np.float64)

    return Outcome(
        active_days(world, setup.days // 2), sends, count("clicked"), count("converted"), count("opted_out")
    )


def _choices(world: SimulatedWorld, day: int, user, message, channel, at) -> Choices:  # type: ignore[no-untyped-def]
    setting, mood = world._setting, world._state.mood
    m, catalogue = setting.mechanisms, setting.catalogue
    quality, appeal = catalogue.quality[message], catalogue.appeal[message]
    relevance = relevance_of(setting, day, user, message)
    clicking = m.response.clicking
    opens = open_probability(setting, mood, day, user, message, channel, at)
    click = opens * click_probability(
        clicking, setting.by_channel(clicking.base, channel), relevance, quality
    )
    worth = worth_probability(m.response.worth, relevance, quality, appeal)
    welcome = np.where(setting.through("push", channel), opens, click) * worth
    cost = annoyance(
        m.annoyance,
        setting.by_channel(m.annoyance.cost, channel),
        mood.fatigue[user, channel],
        relevance,
        appeal,
        np.zeros(len(user), np.bool_),
    )
    habit = mood.habit[user]
    gain = welcome * m.habit.growth * m.habit.discovery * (1 - habit) - (1 - welcome) * cost * habit
    luck = np.random.default_rng((world.setup.seed, day)).random(len(user))
    return Choices(day, user, click, gain, luck)
