"""Bounds that know the truth: what the best policy could gain if it knew the world. No real policy does.

They enter a comparison as any policy does: a score gives every candidate a value for each objective, and a
softmax without exploration takes the best. They are slow, and for small populations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from homing.decision import Softmax
from homing.decision.decide import Score
from homing.lifecycle.horizons import horizons, over_horizons
from homing.lifecycle.release import signed_weights
from homing.lifecycle.worlds.contender import Contender, Entrant
from homing.lifecycle.worlds.platform import Platform
from homing.schema import Candidates, Config, InputError, Shard
from homing.schema.times import parse_duration
from homing.simulator import SimulatedWorld, World
from homing.simulator.truth import Truth

_COLD: Final = 1e-9  # in utility: the softmax becomes the maximum
_MOST_USERS: Final = 2_000  # in a world whose futures are rolled out

#: (event, aggregate) of an objective to what a message brings by itself, a field of `Expected`.
IMMEDIATE: Final = {
    ("converted", "any"): "converted",
    ("converted", "count"): "converted",
    ("converted", "sum"): "money",
    ("session", "any"): "visited",
    ("session", "count"): "visited",
    ("session", "active_days"): "visited",
    ("session", "sum"): "minutes",
    ("opted_out", "any"): "opted_out",
    ("opted_out", "count"): "opted_out",
    **{
        (event, aggregate): event
        for event in ("delivered", "opened", "clicked", "dismissed")
        for aggregate in ("any", "count")
    },
}
#: (event, aggregate) of an objective to what becomes of a user, a field of `Totals`.
LATER: Final = {
    ("converted", "any"): "conversions",
    ("converted", "count"): "conversions",
    ("converted", "sum"): "money",
    ("session", "count"): "sessions",
    ("session", "active_days"): "active_days",
    ("session", "sum"): "minutes",
    ("opted_out", "any"): "opt_outs",
    ("opted_out", "count"): "opt_outs",
}

#: Truth, sends and their epochs [n] to one column [n] for each objective.
_Value = Callable[[Truth, "_Sends", NDArray[np.int64]], list[NDArray[np.float64]]]


class _Sends(NamedTuple):
    user: NDArray[np.int64]  # [n] code, as all of them the world's
    message: NDArray[np.int64]  # [n] code
    channel: NDArray[np.int64]  # [n] code
    slot_start: NDArray[np.int64]  # [n] us
    slot_end: NDArray[np.int64]  # [n] us


def one_step(config: Config) -> Entrant:
    """Return the bound of policies that look no further than what a message brings by itself.

    It takes the candidate with the greatest configured utility of the true expectation of its own events,
    see `IMMEDIATE`; hold has 0. Conversions count within their objective's horizon, without one within its
    window, all else whenever it comes. What follows from habit, fatigue and opt-outs is left out, and visits
    that a message only moved count as its own: that is what makes it one step.

    Args:
        config: whose objectives and weights hold.

    Raises:
        InputError: an objective that has a weight is not in `IMMEDIATE`.
    """
    config = over_horizons(config)
    fields = _fields(config, IMMEDIATE)

    def value(truth: Truth, sends: _Sends, epoch: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        whenever, columns = truth.expected(*sends), []
        for objective, name in zip(config.objectives.values(), fields, strict=True):
            expected = whenever
            if objective.event == "converted":
                expected = truth.expected(*sends, until=epoch + parse_duration(objective.window))
            columns.append(np.zeros(len(epoch)) if name is None else getattr(expected, name))
        return columns

    return _entrant("one-step-oracle", config, value)


def look_ahead(config: Config, days: int = 28, replicates: int = 64, seed: int = 0) -> Entrant:
    """Return the bound of policies that look as far as a horizon, if nothing is sent after the one decision.

    It takes the candidate with the greatest configured utility of its true effect against hold on all that
    becomes of the user within each objective's horizon, see `LATER`; hold has 0. The effect is a mean over
    rollouts, so the best of many candidates looks better than it is; more replicates, less of that. An epoch
    costs (candidates + users) x replicates x days user-days of simulation, each about a microsecond, for each
    horizon that differs.

    Args:
        config: whose objectives and weights hold. Windows are not looked at.
        days: from the epoch, of objectives without a horizon.
        replicates: rollouts of each candidate.
        seed: of the luck of rollouts, which is never the world's own.

    Raises:
        InputError: an objective that has a weight is not in `LATER`.
    """
    ahead = [horizons(config).get(name, days) for name in config.objectives]
    fields = _fields(over_horizons(config), LATER)

    def value(truth: Truth, sends: _Sends, epoch: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        asked = {far for far, name in zip(ahead, fields, strict=True) if name is not None}
        mean = {far: truth.effect(*sends, far, replicates).mean for far in sorted(asked)}
        return [
            np.zeros(len(epoch)) if name is None else getattr(mean[far], name)
            for far, name in zip(ahead, fields, strict=True)
        ]

    return _entrant("look-ahead-oracle", config, value, seed, _MOST_USERS)


def _fields(config: Config, known: Mapping[tuple[str, str], str]) -> list[str | None]:
    """Return the field of truth of each objective; None where it has no weight and is not known."""
    names = [known.get((o.event, o.aggregate)) for o in config.objectives.values()]
    for (key, objective), name in zip(config.objectives.items(), names, strict=True):
        if name is None and objective.weight:
            raise InputError(
                f"objectives.{key} == {objective.aggregate} of {objective.event!r}, must be one of "
                f"{', '.join(f'{how} of {event}' for event, how in known)} for this oracle; "
                f"or set objectives.{key}.weight = 0"
            )
    return names


def _entrant(name: str, config: Config, value: _Value, seed: int = 0, most: int | None = None) -> Entrant:
    policy = Softmax(name, signed_weights(config), _COLD, 0.0)

    def enter(world: World) -> Contender:
        if not isinstance(world, SimulatedWorld):
            raise InputError(f"world is a {type(world).__name__}; {name} needs the truth of a SimulatedWorld")
        if most is not None and len(world.users) > most:
            raise InputError(
                f"users == {len(world.users):,}, must be <= {most:,} in a part for {name}: it rolls out the "
                "future of every candidate; compare it in a smaller world"
            )

        def score(shard: Shard) -> Score:
            # a Truth is of one day, and so is a shard
            truth, platform = Truth(world, seed), Platform(world.vocabularies, shard.vocabularies)

            def values(candidates: Candidates) -> NDArray[np.float32]:
                result = np.zeros((len(candidates), len(config.objectives)), np.float32)
                sent = np.flatnonzero(~candidates.is_hold)
                row = candidates.row[sent]
                sends = _Sends(
                    candidates.rows.user[row].astype(np.int64),
                    platform.in_world("messages", candidates.message[sent]).astype(np.int64),
                    platform.in_world("channels", candidates.channel[sent]).astype(np.int64),
                    candidates.slot_start[sent],
                    candidates.slot_end[sent],
                )
                result[sent] = np.column_stack(value(truth, sends, candidates.rows.at[row]))
                return result

            return values

        return Contender(name, policy, score, history=False)

    return enter
