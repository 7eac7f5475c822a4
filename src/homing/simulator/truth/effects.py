"""What one send does to the days after it: rollouts of its user, again and again, in arms of equal luck."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import EVENT_TYPES
from homing.schema.times import DAY
from homing.simulator.day import simulate_day
from homing.simulator.latents import State
from homing.simulator.log import Block
from homing.simulator.randomness import Purpose, stream
from homing.simulator.sending import NORMALS, UNIFORMS, Sending, nothing
from homing.simulator.setting import Setting
from homing.simulator.truth.asked import Asked

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS: Final = 20_000  # simulated side by side: some MB of state
_SESSION, _CONVERTED, _OPTED_OUT = (EVENT_TYPES.index(name) for name in ("session", "converted", "opted_out"))


@dataclass(frozen=True)
class Totals:
    """One number each for a user, over a span of days."""

    active_days: Floats  # [n] days (UTC) with a visit
    sessions: Floats  # [n]
    minutes: Floats  # [n]
    conversions: Floats  # [n]
    money: Floats  # [n]
    opt_outs: Floats  # [n]
    reachable: Floats  # [n] channels at the end


@dataclass(frozen=True)
class Effect:
    """What sends do against hold."""

    mean: Totals
    se: Totals  # standard errors; a bit wide, as the luck of the first day is stratified over replicates


def effects(
    setting: Setting,
    state: State,
    day: int,
    luck: tuple[int, ...],
    asked: Asked,
    days: int,
    replicates: int,
) -> Effect:
    """Return the effect of each send [n]; see `Truth.effect`.

    Args:
        setting: with clocks for all days.
        state: at the start of the day.
        day: of the sends.
        luck: of the rollouts.
        asked: [n] sends.
        days: whose outcomes count.
        replicates: of each arm.
    """
    names = [field.name for field in fields(Totals)]
    mean, se = (Totals(*(np.empty(len(asked)) for _ in names)) for _ in range(2))
    order = np.argsort(asked.user, kind="stable")
    for number, batch in enumerate(_batches(asked.user[order], replicates)):
        rows = order[batch]
        people, place = np.unique(asked.user[rows], return_inverse=True)
        held, turn = len(people) * replicates, np.arange(replicates)
        # first hold, replicate by replicate for each person; then likewise for each send
        person = np.concatenate([np.arange(held), (place[:, None] * replicates + turn).ravel()])
        who = people[person // replicates]
        mine = (*luck, number)
        row, sent = np.arange(held, len(person)), asked.take(np.repeat(rows, replicates))
        fortune = _fortune(mine, day, len(people), replicates)
        sends = Sending(
            user=row,
            message=sent.message,
            channel=sent.channel,
            slot_start=sent.start,
            slot_end=sent.end,
            decision=np.zeros((len(row), 2), np.uint64),
            uniform=fortune[0][person[row]],
            normal=fortune[1][person[row]],
        )
        begun = State(state.mood.take(who), _waiting(state.waiting, who, person, (*mine, 1), day))
        totals = _follow(setting.take(who, person, mine), begun, day, days, sends)
        for name in names:
            arms = getattr(totals, name).reshape(-1, replicates)
            difference = arms[len(people) :] - arms[place]
            getattr(mean, name)[rows] = difference.mean(axis=1)
            getattr(se, name)[rows] = difference.std(axis=1, ddof=1) / np.sqrt(replicates)
    return Effect(mean, se)


def _batches(user: Ints, replicates: int) -> list[Ints]:
    """Return the places of sorted users [n] in pieces of some `_ROWS` rows; no user is in two of them."""
    if not len(user):
        return []
    _, counts = np.unique(user, return_counts=True)
    rows = np.cumsum((counts + 1) * replicates)
    cut = np.flatnonzero(np.diff((rows - 1) // _ROWS))
    return np.split(np.arange(len(user)), np.cumsum(counts)[cut])


def _fortune(luck: tuple[int, ...], day: int, people: int, replicates: int) -> tuple[Floats, Floats]:
    """Return uniform and normal luck of sends, [people * replicates, UNIFORMS] and [.., NORMALS].

    Each uniform column is stratified over a person's replicates: what happens with probability p happens in
    a share p of them, as nearly as their number allows.
    """
    rng = stream(luck, day, Purpose.sends)
    stratum = rng.random((people, replicates, UNIFORMS)).argsort(axis=1)
    uniform = (stratum + rng.random(stratum.shape)) / replicates
    return uniform.reshape(-1, UNIFORMS), rng.standard_normal((people * replicates, NORMALS))


def _waiting(waiting: Sending, who: Ints, person: Ints, luck: tuple[int, ...], day: int) -> Sending:
    """Return in-app messages that wait already, for each row of their users, with luck of their own."""
    if not len(waiting):
        return nothing()
    rng, people = stream(luck, day, Purpose.sends), int(person.max()) + 1
    uniform, normal = rng.random((people, UNIFORMS)), rng.standard_normal((people, NORMALS))
    place = np.full(max(int(waiting.user.max()), int(who.max())) + 1, -1)
    place[waiting.user] = np.arange(len(waiting))
    row = np.flatnonzero(place[who] >= 0)
    of = place[who[row]]
    return Sending(
        user=row,
        message=waiting.message[of],
        channel=waiting.channel[of],
        slot_start=waiting.slot_start[of],
        slot_end=waiting.slot_end[of],
        decision=waiting.decision[of],
        uniform=uniform[person[row]],
        normal=normal[person[row]],
    )


def _follow(setting: Setting, state: State, day: int, days: int, sends: Sending) -> Totals:
    """Return what happens to every row [rows] in `days` days, with sends on the first alone."""
    rows = len(setting.zone)
    begin = setting.start + day * DAY
    active = np.zeros((rows, days), np.bool_)
    sums = {name: np.zeros(rows) for name in ("sessions", "minutes", "conversions", "money", "opt_outs")}

    def count(block: Block, number: str, value: str | None = None) -> None:
        sums[number] += np.bincount(block.user, minlength=rows)
        if value is not None:
            sums[value] += np.bincount(block.user, block.value, minlength=rows)

    for today in range(day, day + days):
        state, blocks = simulate_day(setting, state, today, sends)
        sends = nothing()
        for block in blocks:
            if not len(block) or block.type[0] not in (_SESSION, _CONVERTED, _OPTED_OUT):
                continue
            inside = block.take(np.flatnonzero(block.at < begin + days * DAY))
            if block.type[0] == _SESSION:
                active[inside.user, (inside.at - begin) // DAY] = True
                count(inside, "sessions", "minutes")
            elif block.type[0] == _CONVERTED:
                count(inside, "conversions", "money")
            else:
                count(inside, "opt_outs")
    reach = state.mood.reach
    last = begin + days * DAY
    return Totals(
        active_days=active.sum(axis=1).astype(np.float64),
        reachable=((reach.since <= last) & (last < reach.until)).sum(axis=1).astype(np.float64),
        **sums,
    )
