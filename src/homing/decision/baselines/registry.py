"""Every baseline by name, and one call that makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from homing.decision.baselines.greedy import Greedy, response
from homing.decision.baselines.recovering import Recovering
from homing.decision.baselines.rules import Rules
from homing.decision.baselines.survival import Survival
from homing.decision.baselines.volume import Volume
from homing.decision.policies import Policy
from homing.schema import Config, InputError, Shard
from homing.schema.errors import nearest

#: Shards of a log, its configuration, names of the columns of values, and the objective that is named.
Make = Callable[[Iterable[Shard], Config, Sequence[str], str], Policy]


@dataclass(frozen=True)
class Baseline:
    """What makes a policy, and what it needs."""

    make: Make
    log: bool  # logged decisions with propensities, and events after them, to be fitted on
    values: bool  # a model's values whenever it decides; others may use them for ranking


BASELINES: Final[Mapping[str, Baseline]] = {
    "rules": Baseline(lambda shards, config, names, objective: Rules(), log=False, values=False),
    "greedy": Baseline(
        lambda shards, config, names, objective: Greedy.on(config, names, objective), log=False, values=True
    ),
    "greedy-penalty": Baseline(
        lambda shards, config, names, objective: Greedy.on(
            config, names, objective, "greedy-penalty"
        ).penalized(shards, config, names),
        log=True,
        values=True,
    ),
    "recovering": Baseline(
        lambda shards, config, names, objective: Recovering.fit(shards, config), log=True, values=False
    ),
    "volume": Baseline(
        lambda shards, config, names, objective: replace(
            Volume.fit(shards, config), column=response(config, names)
        ),
        log=True,
        values=False,
    ),
    "survival": Baseline(
        lambda shards, config, names, objective: Survival.fit(shards, config), log=True, values=False
    ),
}


def make(name: str, shards: Iterable[Shard], config: Config, objectives: Sequence[str] = ()) -> Policy:
    """Return the baseline of that name, fitted where it needs a log.

    Args:
        name: one of BASELINES; those that need a model's values take `NAME:OBJECTIVE` too.
        shards: of a ledger, as `homing.store.load_shard` reads them; read once, one after the other.
        config: rules, objectives, and how far events are complete.
        objectives: names of the columns of the values that the policy will be given.

    Raises:
        InputError: there is no such baseline or objective, or the log lacks what it is fitted on.
    """
    kind, _, objective = name.partition(":")
    if kind not in BASELINES or (objective and not BASELINES[kind].values):
        raise InputError(
            f"policy == {name!r}, must be one of {', '.join(BASELINES)}{nearest(kind, BASELINES)}"
        )
    return BASELINES[kind].make(shards, config, objectives, objective)
