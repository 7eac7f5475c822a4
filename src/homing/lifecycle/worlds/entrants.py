"""Policies by name, for simulation and comparison: which there are, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, Hold, Policy, Uniform
from homing.decision.baselines import BASELINES, make
from homing.lifecycle.worlds.contender import Contender, Entrant
from homing.lifecycle.worlds.oracles import look_ahead, one_step
from homing.schema import Config, InputError
from homing.schema.errors import nearest

if TYPE_CHECKING:
    from homing.lifecycle.worlds.ground import Ground

GROUP: Final = "homing.policies"


@dataclass(frozen=True)
class CautiousRandom:
    """Holds with one probability, and else draws among the candidates alike."""

    hold: float = 0.5
    name: str = "random"
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]."""
        candidates = context.candidates
        others = np.repeat(candidates.counts - 1, candidates.counts)
        held = np.where(others == 0, 1.0, self.hold)
        share = np.where(candidates.is_hold, held, (1 - held) / np.maximum(others, 1))
        return context.with_forced(share)


@dataclass(frozen=True)
class Free:
    """How a policy is made that needs no training."""

    make: Callable[[Config], Entrant]


@dataclass(frozen=True)
class Trained:
    """How a policy is made that learns from a log."""

    make: Callable[[Ground], Entrant]


Known = Free | Trained


def entering(policy: Policy, *, history: bool = True) -> Entrant:
    """Return a policy that looks at no model as an entrant of every world."""
    return lambda world: Contender(policy.name, policy, history=history)


def _learned(objective: str | None, ground: Ground) -> Entrant:
    policy = ground.release.policy(objective)
    return lambda world: Contender(policy.name, policy, ground.score)


def _baseline(name: str, ground: Ground) -> Entrant:
    policy = make(name, ground.shards(), ground.config, ground.release.objectives)
    # a baseline that was told a column ranks by it, even where it could do without
    scored = BASELINES[name.partition(":")[0]].values or getattr(policy, "column", None) is not None
    return lambda world: Contender(name, policy, ground.score if scored else None)


#: Every policy that comes with Homing; one more is one more line.
KNOWN: Final[Mapping[str, Known]] = {
    "hold": Free(lambda config: entering(Hold(), history=False)),
    "uniform": Free(lambda config: entering(Uniform(), history=False)),
    "random": Free(lambda config: entering(CautiousRandom(), history=False)),
    "learned": Trained(partial(_learned, None)),
    **{
        name: Trained(partial(_baseline, name))
        if baseline.log or baseline.values
        else Free(lambda config, name=name: entering(make(name, (), config)))  # type: ignore[misc]
        for name, baseline in BASELINES.items()
    },
    "oracle": Free(one_step),
    "lookahead": Free(look_ahead),
}


def entrant_names() -> tuple[str, ...]:
    """Return every name that `find_entrant` knows; `learned` and `greedy` take NAME:OBJECTIVE, too."""
    return (*KNOWN, *sorted(entry.name for entry in entry_points(group=GROUP)))


def find_entrant(name: str) -> Known:
    """Return how the policy of that name is made.

    Args:
        name: one of `KNOWN`, or an entry point of the group `homing.policies`: a policy, a class or function
            that makes one, or an `Entrant`. A class with a method `fit(shards, config)` is trained by it, and
            its policy is given the release's values.

    Raises:
        InputError: there is no such policy.
    """
    kind, _, objective = name.partition(":")
    if name in KNOWN:
        return KNOWN[name]
    if kind == "learned":
        return Trained(partial(_learned, objective))
    if kind in BASELINES and BASELINES[kind].values:
        return Trained(partial(_baseline, name))
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _registered(name, entry.load())
    names = entrant_names()
    raise InputError(f"policy == {name!r}, must be one of {', '.join(names)}{nearest(name, names)}")


def untrained(name: str, config: Config) -> Entrant:
    """Return the policy of that name, which must need no training, as an entrant.

    Raises:
        InputError: there is no such policy, or it learns from a log.
    """
    known = find_entrant(name)
    if isinstance(known, Trained):
        free = ", ".join(name for name, known in KNOWN.items() if isinstance(known, Free))
        raise InputError(
            f"policy == {name!r} learns from a log, must be one that does not, such as {free}; "
            "'homing compare' makes a log and trains on it"
        )
    return known.make(config)


def made(name: str, ground: Ground) -> Entrant:
    """Return the policy of that name as an entrant, trained on the ground where it has to be.

    Raises:
        InputError: there is no such policy.
    """
    known = find_entrant(name)
    return known.make(ground) if isinstance(known, Trained) else known.make(ground.config)


def _registered(name: str, found: Any) -> Known:
    """Return how a policy of another package is made from what its entry point gives."""
    if isinstance(found, type) and hasattr(found, "fit"):

        def fitted(ground: Ground) -> Entrant:
            policy = found.fit(ground.shards(), ground.config)
            return lambda world: Contender(name, policy, ground.score)

        return Trained(fitted)
    made = found if hasattr(found, "probabilities") and not isinstance(found, type) else found()
    if hasattr(made, "probabilities"):
        return Free(lambda config: lambda world: Contender(name, made))
    if callable(made):
        return Free(lambda config: made)
    raise InputError(
        f"policy == {name!r}: the entry point gives a {type(made).__name__}, must give a policy with a "
        "method `probabilities`, or a function from a world to a Contender"
    )
