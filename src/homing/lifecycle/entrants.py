"""Policies by name, for simulation and comparison: which there are, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, Hold, Policy, Uniform
from homing.decision.softmax import softmax
from homing.lifecycle.contender import Contender, Entrant
from homing.schema import InputError
from homing.schema.errors import nearest

if TYPE_CHECKING:
    from homing.lifecycle.ground import Ground

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
class SendPenalty:
    """Greedy on one objective, of which every send costs a fixed amount."""

    objective: int  # place among the objectives
    penalty: float  # in the objective's unit
    name: str = "greedy-penalty"
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n].

        Raises:
            InputError: the context has no values.
        """
        if context.values is None:
            raise InputError(f"policy {self.name!r} needs values of the candidates; pass a score function")
        worth = context.values[:, self.objective].astype(np.float64)
        worth -= self.penalty * ~context.candidates.is_hold
        return context.with_forced(softmax(worth, context.candidates.offsets, _COLD, 0.0))


#: Of `greedy-penalty`: a click is worth a send where at least one in twenty is expected. Assumed.
PENALTY: Final = 0.05
_COLD: Final = 1e-9  # a softmax of this temperature is a maximum


@dataclass(frozen=True)
class Free:
    """How a policy is made that needs no training."""

    make: Callable[[], Entrant]


@dataclass(frozen=True)
class Trained:
    """How a policy is made that learns from a log."""

    make: Callable[[Ground], Entrant]


Known = Free | Trained


def plain(policy: Policy) -> Entrant:
    """Return a policy that looks neither at events nor at a model as an entrant of every world."""
    return lambda world: Contender(policy.name, policy, history=False)


def scored(name: str, policy: Policy, ground: Ground) -> Entrant:
    """Return a policy that looks at the release's values as an entrant of every world."""
    return lambda world: Contender(name, policy, ground.score)


def _greedy(ground: Ground) -> Entrant:
    return scored("greedy", ground.release.greedy(ground.click), ground)


def _greedy_penalty(ground: Ground) -> Entrant:
    place = ground.release.objectives.index(ground.click)
    return scored("greedy-penalty", SendPenalty(place, PENALTY), ground)


#: Every policy that comes with Homing; one more is one more line.
KNOWN: Final[Mapping[str, Known]] = {
    "hold": Free(lambda: plain(Hold())),
    "uniform": Free(lambda: plain(Uniform())),
    "random": Free(lambda: plain(CautiousRandom())),
    "learned": Trained(lambda ground: scored("learned", ground.release.policy(), ground)),
    "greedy": Trained(_greedy),
    "greedy-penalty": Trained(_greedy_penalty),
}


def entrant_names() -> tuple[str, ...]:
    """Return every name that `find_entrant` knows."""
    return (*KNOWN, *sorted(entry.name for entry in entry_points(group=GROUP)))


def find_entrant(name: str) -> Known:
    """Return how the policy of that name is made.

    Args:
        name: one of `KNOWN`, or an entry point of the group `homing.policies`: a policy, or a class or
            function that makes one, or an `Entrant`. One that has a method `fit` is trained first.

    Raises:
        InputError: there is no such policy.
    """
    if name in KNOWN:
        return KNOWN[name]
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _registered(name, entry.load())
    names = entrant_names()
    raise InputError(f"policy == {name!r}, must be one of {', '.join(names)}{nearest(name, names)}")


def untrained(name: str) -> Entrant:
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
    return known.make()


def _registered(name: str, found: Any) -> Known:
    """Return how a policy of another package is made from what its entry point gives."""
    policy = found if hasattr(found, "probabilities") and not isinstance(found, type) else found()
    if hasattr(policy, "probabilities"):
        return Free(lambda: lambda world: Contender(name, policy))
    if callable(policy):
        return Free(lambda: policy)
    raise InputError(
        f"policy == {name!r}: the entry point gives a {type(policy).__name__}, must give a policy with a "
        "method `probabilities`, or a function from a world to a Contender"
    )
