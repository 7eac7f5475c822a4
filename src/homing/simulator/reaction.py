"""What delivered messages bring about: opens, clicks, conversions, opt-outs and annoyance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema.times import DAY, HOUR, MINUTE, MISSING, SECOND
from homing.simulator.channels import ByChannel
from homing.simulator.latents import NEVER, Mood
from homing.simulator.log import Block, caused
from homing.simulator.mechanisms.conversion import conversion_delay, conversion_probability
from homing.simulator.mechanisms.drift import drift_logit, taste_share
from homing.simulator.mechanisms.fatigue import annoyance, fatigue_logit, opt_out_hazard, repetition_factor
from homing.simulator.mechanisms.response import (
    click_probability,
    open_delay,
    open_logit,
    ready_open_probability,
    worth_probability,
)
from homing.simulator.mechanisms.stages import annoyance_factor, stage_of
from homing.simulator.mechanisms.visits import visit_mean
from homing.simulator.randomness import Purpose
from homing.simulator.sending import Sending
from homing.simulator.setting import Setting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_DISMISSED: Final = ByChannel(push=0.25, email=0.02, in_app=0.7)  # share of those not opened; assumed


@dataclass(frozen=True)
class Reaction:
    """What each delivered send brought about."""

    opened: Bools  # [n]
    open_at: Ints  # [n] us, where opened or dismissed
    clicked: Bools  # [n]
    click_at: Ints  # [n] us, where clicked
    welcome: Bools  # [n] it led to something that was worth it, if the user followed it
    annoyance: Floats  # [n] share of habit lost
    converted: Bools  # [n]
    convert_at: Ints  # [n] us, where converted
    money: Floats  # [n] where converted
    opted_out: Bools  # [n]
    opt_out_at: Ints  # [n] us, where opted out


def relevance_of(setting: Setting, day: int, user: Ints, message: Ints) -> Floats:
    """Return the cosine [n] of each user's taste on a day and each message's topics."""
    taste, share = setting.traits.taste[user], taste_share(setting.mechanisms.drift, day)
    if share > 0:
        taste = (1.0 - share) * taste + share * setting.traits.later_taste[user]
        taste /= np.linalg.norm(taste, axis=1, keepdims=True)
    return np.asarray(np.einsum("ij,ij->i", taste, setting.catalogue.topics[message]))


def _doublings(setting: Setting, message: Ints, at: Ints) -> Floats:
    """Return how often the age of each message [n] at `at` has doubled, in log2(1 + days)."""
    out = setting.catalogue.messages.valid_from[message]
    days = np.where(out == MISSING, 0.0, (at - out) / DAY)
    return np.asarray(np.log2(1.0 + np.maximum(days, 0.0)))


def stages(setting: Setting, mood: Mood, day: int) -> NDArray[np.int8]:
    """Return the stage [users] of every user at the start of a day, a place in STAGES."""
    tenure = (setting.start + day * DAY - setting.traits.signed_up_at) / DAY
    return stage_of(setting.mechanisms.stages, tenure, mood.habit, mood.average, mood.dormant)


def open_probability(
    setting: Setting,
    mood: Mood,
    day: int,
    user: Ints,
    message: Ints,
    channel: Ints,
    at: Ints,
    ready: Floats | None = None,
) -> Floats:
    """Return the probability [n] that a message delivered at `at` (us, [n]) is opened.

    `ready` [n] says whether each user comes by herself that day (1) or not (0); None: nobody knows.
    """
    m, traits = setting.mechanisms, setting.traits
    hour = (setting.local(day, user, at) / HOUR - traits.shift[user]) % 24
    opening = m.response.opening
    logit = open_logit(
        opening,
        base=setting.by_channel(opening.base, channel),
        moment_weight=setting.by_channel(opening.moment, channel),
        relevance=relevance_of(setting, day, user, message),
        appeal=setting.catalogue.appeal[message],
        affinity=traits.affinity[user, channel],
        receptivity=24 * setting.rhythm[traits.archetype[user], hour.astype(np.int64) % 24],
        habit=mood.habit[user],
        dormant=mood.dormant[user],
        staleness=setting.catalogue.urgency[message] * _doublings(setting, message, at),
    )
    logit = logit + fatigue_logit(
        m.fatigue, setting.by_channel(m.fatigue.penalty, channel), mood.fatigue[user, channel]
    )
    drift = m.drift
    logit = logit + drift_logit(
        drift, day, setting.by_channel(drift.slow, channel), setting.by_channel(drift.sudden, channel)
    )
    if ready is None:
        mean = visit_mean(m.week, traits.intensity[user], mood.habit[user], mood.dormant[user])
        ready = 1.0 - np.exp(-mean)
    weight = setting.by_channel(opening.readiness, channel)
    category = setting.catalogue.messages.category[message]
    return np.asarray(
        ready_open_probability(opening, logit, weight, ready)
        * repetition_factor(m.repetition, mood.memory[user, category])
    )


def _ready(setting: Setting, mood: Mood, day: int) -> Floats:
    """Return who comes by themselves on a day, [users]: those with a visit before weekdays thin them out."""
    mean = visit_mean(setting.mechanisms.week, setting.traits.intensity, mood.habit, mood.dormant)
    luck = setting.stream(day, Purpose.visits).random(len(mean))
    return (luck >= np.exp(-mean)).astype(np.float64)


def react(setting: Setting, mood: Mood, day: int, sending: Sending, at: Ints) -> Reaction:
    """Return what deliveries at `at` (us, [n]) bring about, by the luck that each row carries."""
    m, catalogue = setting.mechanisms, setting.catalogue
    user, message, channel = sending.user, sending.message, sending.channel
    relevance = relevance_of(setting, day, user, message)
    quality, appeal = catalogue.quality[message], catalogue.appeal[message]
    level = mood.fatigue[user, channel]
    push = setting.through("push", channel)

    delay, clicking = m.response.delay, m.response.clicking
    median = np.where(push, setting.traits.push_delay[user], setting.by_channel(delay.median, channel))
    longest = setting.by_channel(delay.longest, channel)
    minutes = open_delay(delay, median, setting.by_channel(delay.spread, channel), sending.normal[:, 0])
    ready = _ready(setting, mood, day)[user]
    opens = open_probability(setting, mood, day, user, message, channel, at, ready)
    opened = (sending.uniform[:, 1] < opens) & (minutes <= longest)
    open_at = at + (np.minimum(minutes, longest) * MINUTE).astype(np.int64) + SECOND
    clicks = click_probability(clicking, setting.by_channel(clicking.base, channel), relevance, quality)
    clicked = opened & (sending.uniform[:, 2] < clicks)
    click_at = open_at + ((2 + 28 * sending.uniform[:, 8]) * SECOND).astype(np.int64)
    likes = worth_probability(m.response.worth, relevance, quality, appeal)
    welcome = np.where(push, opened, clicked) & (sending.uniform[:, 3] < likes)

    converted, convert_at, money = _convert(setting, mood, sending, relevance, clicked, click_at)
    hazard = opt_out_hazard(
        m.opt_out, setting.by_channel(m.opt_out.base, channel), level, relevance, appeal, welcome
    )
    staying = mood.reach.until[user, channel] == NEVER
    leaving = m.opt_out.delay * np.exp(sending.normal[:, 3])
    return Reaction(
        opened=opened,
        open_at=open_at,
        clicked=clicked,
        click_at=click_at,
        welcome=welcome,
        annoyance=annoyance_factor(m.stages, stages(setting, mood, day)[user])
        * annoyance(
            m.annoyance, setting.by_channel(m.annoyance.cost, channel), level, relevance, appeal, welcome
        ),
        converted=converted,
        convert_at=convert_at,
        money=money,
        opted_out=staying & (sending.uniform[:, 6] < hazard),
        opt_out_at=np.where(opened, open_at, at) + SECOND + (leaving * MINUTE).astype(np.int64),
    )


def _convert(
    setting: Setting, mood: Mood, sending: Sending, relevance: Floats, clicked: Bools, click_at: Ints
) -> tuple[Bools, Ints, Floats]:
    """Return whether, when (us) and for how much each send converts; subscribers do not subscribe again."""
    p = setting.mechanisms.conversion
    domain = setting.catalogue.messages.domain[sending.message]
    goals = [known.goal for known in setting.spec.domains]
    chance = conversion_probability(
        p,
        np.array([goal.rate for goal in goals])[domain],
        np.array([goal.priced for goal in goals])[domain],
        relevance,
        setting.traits.price_sensitivity[sending.user],
    )
    delay = np.array([goal.delay for goal in goals])[domain]
    minutes = conversion_delay(p, delay, sending.normal[:, 2])
    subscribed = setting.catalogue.once[sending.message] & ~mood.free_plan[sending.user]
    converted = clicked & ~subscribed & (sending.uniform[:, 5] < chance) & (minutes <= p.longest)
    return (
        converted,
        click_at + (np.minimum(minutes, p.longest) * MINUTE).astype(np.int64),
        np.array([goal.money for goal in goals])[domain],
    )


def message_events(setting: Setting, sending: Sending, at: Ints, reaction: Reaction) -> list[Block]:
    """Return the events of deliveries at `at` (us, [n])."""
    dismiss = setting.by_channel(_DISMISSED, sending.channel)
    dismissed = ~reaction.opened & (sending.uniform[:, 4] < dismiss)
    return [
        caused("delivered", sending, np.ones(len(sending), np.bool_), at),
        caused("opened", sending, reaction.opened, reaction.open_at),
        caused("clicked", sending, reaction.clicked, reaction.click_at),
        caused("dismissed", sending, dismissed, reaction.open_at),
        caused("converted", sending, reaction.converted, reaction.convert_at, reaction.money),
        caused("opted_out", sending, reaction.opted_out, reaction.opt_out_at),
    ]
