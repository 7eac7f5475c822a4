"""What a world does when it is messaged by chance, beside what has been published.

A micro-randomized trial: every day each user who can be reached gets, with equal probability, a random live
opportunity through a random channel in a random hour between 8 and 21 on the user's own clock, or nothing at
that instant, or no part in the day's trial. The moments are read from the log, as a platform would read
them; intervals are the middle 95 % of a bootstrap over users.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES
from homing.schema.times import DAY, HOUR, MINUTE, MISSING
from homing.simulator.mechanisms.fatigue import Repetition, repetition_factor
from homing.simulator.population import zone_offsets
from homing.simulator.setup import Setup
from homing.simulator.simulated import SimulatedWorld
from homing.simulator.spec import Spec
from homing.simulator.world import World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARE: Final = 1.0 / 3.0  # of the user-days that are sent to in the trial; as many are its controls
CUT: Final = 0.2  # of the volume, in `volume_cut`
REPLICATES: Final = 400  # of the bootstrap
CHANNELS: Final = ("push", "email", "in_app")
_FIRST_HOUR, _HOURS = 8, 13


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval; all three the same where it is exact."""

    value: float
    low: float
    high: float

    def meets(self, low: float, high: float) -> bool:
        """Return whether the interval and a range have a number in common."""
        return self.low <= high and self.high >= low


@dataclass(frozen=True)
class Trial:
    """What the platform planned at random: the sends, and the instants at which nothing was sent."""

    world: World
    user: Ints  # [n]
    channel: Ints  # [n]
    at: Ints  # [n] us
    sent: NDArray[np.bool_]  # [n] or else a control


def run_trial(world: World, share: float = SHARE, control: float = SHARE, cut: float = 0.0) -> Trial:
    """Live through all days of a world under the trial.

    Args:
        world: at its first day.
        share: of the user-days with somebody to reach and something to say that are sent to.
        control: of the same that are only watched.
        cut: of the sends that are left out.
    """
    offsets = zone_offsets(world.start, world.days)
    opportunities, messages = world.opportunities, world.messages
    people, channels = len(world.users), len(world.setup.channels)
    owner = np.repeat(np.arange(people), np.diff(opportunities.offsets))
    kept = []
    for day in range(world.days):
        rng = np.random.default_rng((world.setup.seed, world.setup.first, day))
        luck = rng.random((4, people))
        begin = world.now
        local = _FIRST_HOUR * HOUR + (luck[0] * _HOURS * HOUR).astype(np.int64)
        at = begin + (local - offsets[day][world.users.zone]) % DAY
        row = np.flatnonzero((opportunities.created_at < begin) & (opportunities.expires_at > begin))
        until = messages.valid_until[opportunities.message[row]]
        row = row[
            (at[owner[row]] < opportunities.expires_at[row]) & ((until == MISSING) | (at[owner[row]] < until))
        ]
        row = row[np.argsort(rng.random(len(opportunities.created_at))[row], kind="stable")]
        user, first = np.unique(owner[row], return_index=True)
        message = opportunities.message[row[first]]
        can = world.reachable()[user] & messages.channels[message]
        score = rng.random((people, channels))[user] * can
        keep = can.any(axis=1) & (luck[1][user] < share + control)
        user, message, channel = user[keep], message[keep], score.argmax(axis=1)[keep]
        sent = luck[1][user] < share
        out = sent & (luck[2][user] >= cut)
        world.respond(
            day,
            user=user[out],
            message=message[out],
            channel=channel[out],
            slot_start=at[user[out]],
            slot_end=at[user[out]] + MINUTE,
            decision_id=np.column_stack([np.full(int(out.sum()), day + 1), user[out] + 1]).astype(np.uint64),
        )
        kept.append((user, channel, at[user], sent))
    return Trial(world, *(np.concatenate(columns) for columns in zip(*kept, strict=True)))


class Bootstrap:
    """Replicates of a population: how often each user is in each."""

    def __init__(self, users: int, replicates: int = REPLICATES) -> None:
        self._weights = np.random.default_rng(0).poisson(1.0, (replicates, users)).astype(np.float64)
        self._weights = np.concatenate([np.ones((1, users)), self._weights])  # the first is as it was

    def ratio(self, above: Floats, below: Floats) -> Floats:
        """Return the ratio of two sums over users in each replicate, the sample itself first."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self._weights @ above) / (self._weights @ below))

    def median(self, user: Ints, value: Floats) -> Floats:
        """Return the median of values [n] of users [n] in each replicate, the sample itself first."""
        if not len(value):
            return np.full(len(self._weights), np.nan)
        order = np.argsort(value)
        below = np.cumsum(self._weights[:, user[order]], axis=1)
        place = (below < below[:, -1:] / 2).sum(axis=1).clip(max=len(value) - 1)
        return np.asarray(value[order][place], np.float64)


def estimate(replicates: Floats) -> Estimate:
    """Return the first number with the middle 95 % of the others; NaN where there is nothing to count."""
    if not np.isfinite(replicates).all():
        return Estimate(float(replicates[0]), np.nan, np.nan)
    low, high = np.quantile(replicates[1:], (0.025, 0.975))
    return Estimate(float(replicates[0]), float(low), float(high))


def moments(spec: Spec, setup: Setup) -> dict[str, Estimate]:
    """Return the figures of a world: rates are shares, delays minutes, effects ratios.

    Args:
        spec: the world.
        setup: at most one part of a population.
    """
    trial = run_trial(SimulatedWorld(spec, setup))
    world = trial.world
    users, bootstrap, events = len(world.users), Bootstrap(setup.users), world.events()
    before = SimulatedWorld(spec, setup).reachable()
    born = (world.users.signed_up_at < setup.start).astype(np.float64)

    def count(name: str, channel: str) -> Floats:
        rows = (events["type"] == EVENT_TYPES.index(name)) & (
            events["channel"] == setup.channels.index(channel)
        )
        return np.bincount(events["user"][rows], minlength=users).astype(np.float64)

    delivered = {channel: count("delivered", channel) for channel in CHANNELS}
    found: dict[str, Floats] = {}
    for channel in CHANNELS:
        for name, event in (("opens", "opened"), ("clicks", "clicked"), ("opt_outs", "opted_out")):
            found[f"{channel}_{name}"] = bootstrap.ratio(count(event, channel), delivered[channel])
        joined = before[:, setup.channels.index(channel)].astype(np.float64)
        found[f"{channel}_opted_in"] = bootstrap.ratio(joined, born)
    found["in_app_over_push"] = found["in_app_opens"] / found["push_opens"]
    devices = world.vocabularies.categorical["users"]["x_device"]
    device = world.users.categorical[:, list(world.vocabularies.categorical["users"]).index("x_device")]
    user, minutes = _open_delays(trial)
    for name in ("ios", "android"):
        mine = device[user] == devices.code(name)
        found[f"{name}_delay"] = bootstrap.median(user[mine], minutes[mine])
    for name, span in (("hour", HOUR), ("day", DAY)):
        treated, control = (_visited(trial, sent, span) for sent in (True, False))
        found[f"{name}_without"] = bootstrap.ratio(*control)
        found[f"{name}_effect"] = bootstrap.ratio(*treated) / found[f"{name}_without"]
    days = np.clip(world.now - np.maximum(world.users.signed_up_at, setup.start), 1, None) / DAY
    sessions = events["type"] == EVENT_TYPES.index("session")
    found["visits"] = bootstrap.ratio(
        np.bincount(events["user"][sessions], minlength=users).astype(np.float64), days
    )
    found["active"] = bootstrap.ratio(active_days(world), days)
    exact = {f"repetition_{days}": _repetition(spec.mechanisms.repetition, days) for days in (1, 7, 15, 30)}
    return {name: estimate(values) for name, values in found.items()} | exact


def volume_cut(spec: Spec, setup: Setup) -> Estimate:
    """Return the relative change of active days when a fifth of a daily volume is left out by chance."""
    full, less = (
        active_days(run_trial(SimulatedWorld(spec, setup), share=1.0, control=0.0, cut=cut).world)
        for cut in (0.0, CUT)
    )
    return estimate(Bootstrap(setup.users).ratio(less, full) - 1.0)


def active_days(world: World, since_day: int = 0) -> Floats:
    """Return on how many days each user has visited, [users]."""
    events = world.events(since_day)
    rows = events["type"] == EVENT_TYPES.index("session")
    day = (events["at"][rows] - world.start) // DAY
    pairs = np.unique(events["user"][rows].astype(np.int64) * world.days + day)
    return np.bincount(pairs // world.days, minlength=len(world.users)).astype(np.float64)


def without(spec: Spec, name: str, switch: str = "on") -> Spec:
    """Return a world without one mechanism.

    Args:
        spec: the world.
        name: a field of `Mechanisms`, or `response.opening` and the like.
        switch: the field that is to be false.
    """
    outer, _, inner = name.partition(".")
    part = getattr(spec.mechanisms, outer)
    changed = (
        replace(part, **{inner: replace(getattr(part, inner), **{switch: False})})
        if inner
        else replace(part, **{switch: False})
    )
    return replace(spec, mechanisms=replace(spec.mechanisms, **{outer: changed}))


def _open_delays(trial: Trial) -> tuple[Ints, Floats]:
    """Return the users and the minutes from delivery to open of all pushes that were opened."""
    events = trial.world.events()
    push = events["channel"] == trial.world.setup.channels.index("push")
    key = events["decision"][:, 0].astype(np.int64) * len(trial.world.users) + events["user"].astype(np.int64)
    opened = np.flatnonzero(push & (events["type"] == EVENT_TYPES.index("opened")))
    delivered = np.flatnonzero(push & (events["type"] == EVENT_TYPES.index("delivered")))
    delivered = delivered[np.argsort(key[delivered])]
    cause = delivered[np.searchsorted(key[delivered], key[opened])]
    at = events["at"].astype(np.int64)
    return events["user"][opened].astype(np.int64), (at[opened] - at[cause]) / MINUTE


def _visited(trial: Trial, sent: bool, span: int) -> tuple[Floats, Floats]:
    """Return how many of a user's push instants were followed by a visit within `span` us, and all."""
    world, users = trial.world, len(trial.world.users)
    events = world.events()
    rows = events["type"] == EVENT_TYPES.index("session")
    keys = np.sort(
        (events["at"][rows] - world.start) + events["user"][rows].astype(np.int64) * 2 * world.days * DAY
    )
    mine = (trial.sent == sent) & (trial.channel == world.setup.channels.index("push"))
    mine &= trial.at + DAY < world.now
    user, at = trial.user[mine], trial.at[mine] - world.start
    place = np.searchsorted(keys, user * 2 * world.days * DAY + at)
    after = keys[np.minimum(place, len(keys) - 1)] - (user * 2 * world.days * DAY + at)
    hit = (place < len(keys)) & (after < span)
    return (
        np.bincount(user, hit, minlength=users).astype(np.float64),
        np.bincount(user, minlength=users).astype(np.float64),
    )


def _repetition(p: Repetition, days: int) -> Estimate:
    memory = np.array([0.5 ** (days / p.half_life)])
    value = float(1.0 - repetition_factor(p, memory)[0])
    return Estimate(value, value, value)
