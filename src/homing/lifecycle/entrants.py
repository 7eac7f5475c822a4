"""Policies by name, for simulation and comparison: which there are, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, Hold, Policy, Uniform
from homing.lifecycle.contender import Contender, Entrant
from homing.schema import InputError
from homing.schema.errors import nearest

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


def plain(policy: Policy) -> Entrant:
    """Return a policy that looks neither at events nor at a model as an entrant of every world."""
    return lambda world: Contender(policy.name, policy, history=False)


#: Policies that need no log to learn from.
UNTRAINED: Final[Mapping[str, Callable[[], Entrant]]] = {
    "hold": lambda: plain(Hold()),
    "uniform": lambda: plain(Uniform()),
    "random": lambda: plain(CautiousRandom()),
}


def entrant_names() -> tuple[str, ...]:
    """Return the names that `untrained` knows."""
    return (*UNTRAINED, *sorted(entry.name for entry in entry_points(group=GROUP)))


def untrained(name: str) -> Entrant:
    """Return the policy of that name as an entrant.

    Args:
        name: one of `UNTRAINED`, or an entry point of the group `homing.policies`: a policy, or what makes
            one or an entrant without arguments.

    Raises:
        InputError: there is no such policy.
    """
    if name in UNTRAINED:
        return UNTRAINED[name]()
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _as_entrant(name, entry.load())
    names = entrant_names()
    raise InputError(f"policy == {name!r}, must be one of {', '.join(names)}{nearest(name, names)}")


def _as_entrant(name: str, found: Any) -> Entrant:
    made = found if hasattr(found, "probabilities") and not isinstance(found, type) else found()
    if hasattr(made, "probabilities"):
        return lambda world: Contender(name, made)
    if callable(made):
        entrant: Entrant = made
        return entrant
    raise InputError(
        f"policy == {name!r}: the entry point gives a {type(made).__name__}, must give a policy with a "
        "method `probabilities`, or a function from a world to a Contender"
    )
