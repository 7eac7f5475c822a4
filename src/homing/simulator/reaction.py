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
class Chances:
    """What the outcomes of deliveries are drawn from; truth on request reports the same numbers."""

    opens: Floats  # [n] if it is not too late
    open_median: Floats  # [n] minutes from delivery to open
    open_spread: Floats  # [n] sigma of its log
    open_longest: Floats  # [n] minutes after which opens do not come
    clicks: Floats  # [n] given an open
    worth: Floats  # [n] that it led to something worth it, if the user followed it
    converts: Floats  # [n] given a click, if it is not too late
    convert_median: Floats  # [n] minutes from click to conversion
    money: Floats  # [n] of a conversion
    opts_out: Floats  # [n, 2] where it was not welcome, and where it was
    annoyance: Floats  # [n, 2] share of habit lost, likewise
    dismisses: Floats  # [n] unless opened


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
    dismissed: Bools  # [n]


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
    luck = setting.stream(day, Purpose.visits).random()
    return (luck >= np.exp(-mean)).astype(np.float64)


def chances(
    setting: Setting,
    mood: Mood,
    day: int,
    user: Ints,
    message: Ints,
    channel: Ints,
    at: Ints,
    ready: Floats | None = None,
) -> Chances:
    """Return what the outcomes of deliveries at `at` (us, [n]) are drawn from; subscribers subscribe once.

    `ready` is that of `open_probability`.
    """
    m, catalogue, traits = setting.mechanisms, setting.catalogue, setting.traits
    relevance = relevance_of(setting, day, user, message)
    quality, appeal = catalogue.quality[message], catalogue.appeal[message]
    level = mood.fatigue[user, channel]
    push = setting.through("push", channel)
    delay, clicking, p = m.response.delay, m.response.clicking, m.conversion
    goals = [known.goal for known in setting.spec.domains]
    domain = catalogue.messages.domain[message]
    converts = conversion_probability(
        p,
        np.array([goal.rate for goal in goals])[domain],
        np.array([goal.priced for goal in goals])[domain],
        relevance,
        traits.price_sensitivity[user],
    )
    leave = setting.by_channel(m.opt_out.base, channel)
    cost = setting.by_channel(m.annoyance.cost, channel)
    patience = annoyance_factor(m.stages, stages(setting, mood, day)[user])
    stays = mood.reach.until[user, channel] == NEVER
    welcome = np.zeros(len(user), np.bool_), np.ones(len(user), np.bool_)
    return Chances(
        opens=open_probability(setting, mood, day, user, message, channel, at, ready),
        open_median=np.where(push, traits.push_delay[user], setting.by_channel(delay.median, channel)),
        open_spread=setting.by_channel(delay.spread, channel),
        open_longest=setting.by_channel(delay.longest, channel),
        clicks=click_probability(clicking, setting.by_channel(clicking.base, channel), relevance, quality),
        worth=worth_probability(m.response.worth, relevance, quality, appeal),
        converts=np.where(catalogue.once[message] & ~mood.free_plan[user], 0.0, converts),
        convert_median=np.array([goal.delay for goal in goals])[domain],
        money=np.array([goal.money for goal in goals])[domain],
        opts_out=np.column_stack(
            [stays * opt_out_hazard(m.opt_out, leave, level, relevance, appeal, was) for was in welcome]
        ),
        annoyance=np.column_stack(
            [patience * annoyance(m.annoyance, cost, level, relevance, appeal, was) for was in welcome]
        ),
        dismisses=setting.by_channel(_DISMISSED, channel),
    )


def react(setting: Setting, mood: Mood, day: int, sending: Sending, at: Ints) -> Reaction:
    """Return what deliveries at `at` (us, [n]) bring about, by the luck that each row carries."""
    m, uniform, normal = setting.mechanisms, sending.uniform, sending.normal
    n = np.arange(len(sending))
    ready = _ready(setting, mood, day)[sending.user]
    p = chances(setting, mood, day, sending.user, sending.message, sending.channel, at, ready)
    minutes = open_delay(m.response.delay, p.open_median, p.open_spread, normal[:, 0])
    opened = (uniform[:, 1] < p.opens) & (minutes <= p.open_longest)
    open_at = at + (np.minimum(minutes, p.open_longest) * MINUTE).astype(np.int64) + SECOND
    clicked = opened & (uniform[:, 2] < p.clicks)
    click_at = open_at + ((2 + 28 * uniform[:, 8]) * SECOND).astype(np.int64)
    followed = np.where(setting.through("push", sending.channel), opened, clicked)
    welcome = followed & (uniform[:, 3] < p.worth)
    wait, longest = conversion_delay(m.conversion, p.convert_median, normal[:, 2]), m.conversion.longest
    leaving = m.opt_out.delay * np.exp(normal[:, 3])
    return Reaction(
        opened=opened,
        open_at=open_at,
        clicked=clicked,
        click_at=click_at,
        welcome=welcome,
        annoyance=p.annoyance[n, welcome.astype(np.int64)],
        converted=clicked & (uniform[:, 5] < p.converts) & (wait <= longest),
        convert_at=click_at + (np.minimum(wait, longest) * MINUTE).astype(np.int64),
        money=p.money,
        opted_out=uniform[:, 6] < p.opts_out[n, welcome.astype(np.int64)],
        opt_out_at=np.where(opened, open_at, at) + SECOND + (leaving * MINUTE).astype(np.int64),
        dismissed=~opened & (uniform[:, 4] < p.dismisses),
    )


def message_events(sending: Sending, at: Ints, reaction: Reaction) -> list[Block]:
    """Return the events of deliveries at `at` (us, [n])."""
    return [
        caused("delivered", sending, np.ones(len(sending), np.bool_), at),
        caused("opened", sending, reaction.opened, reaction.open_at),
        caused("clicked", sending, reaction.clicked, reaction.click_at),
        caused("dismissed", sending, reaction.dismissed, reaction.open_at),
        caused("converted", sending, reaction.converted, reaction.convert_at, reaction.money),
        caused("opted_out", sending, reaction.opted_out, reaction.opt_out_at),
    ]
