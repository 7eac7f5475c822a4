"""What evaluation promises of a policy before it is deployed, and what a world then makes of it.

`homing evaluate` estimates what one decision by the policy is worth against one by the log, if the log's
policy decides from the next epoch on, per held-out decision whose horizon is over. A world can do just that:
the log's people live again under the log's policy and the same luck, but on one day each the other policy
decides; what becomes of them within the horizon, less what the log's own decision led to, is the fact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context
from homing.decision.baselines import Greedy
from homing.lifecycle.estimates import worth
from homing.lifecycle.evaluate import evaluate
from homing.lifecycle.horizons import over_horizons
from homing.lifecycle.release import signed_weights
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.rollout import Rollout
from homing.report.facts import PolicyValue
from homing.schema import Config, Instants, Vocabularies
from homing.schema.times import DAY, parse_duration
from homing.simulator import World
from homing.state import outcomes

PENALTIES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # times what an average logged send gained over a hold


@dataclass(frozen=True)
class Scored:
    """The greedy policy of a ground, whose values come from the ground's own model."""

    name: str
    ground: Ground
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]."""
        values = self.ground.score(context.shard)(context.candidates)
        return self.ground.release.greedy().probabilities(replace(context, values=values))


def penalised(ground: Ground) -> list[Greedy]:
    """Return click-greedy with each of `PENALTIES`."""
    once = Greedy.on(ground.config, ground.release.objectives).penalized(
        ground.shards(), ground.config, ground.release.objectives
    )
    return [replace(once, name=f"greedy less {m:g}", penalty=m * once.penalty) for m in PENALTIES]


def promised(long: Ground, short: Ground, rivals: list[Greedy]) -> dict[str, PolicyValue]:
    """Return what held-out decisions say of the utility of both grounds' greedy policies and of rivals."""
    tables = evaluate(long.workspace, ["greedy", Scored("short-term", short), *rivals]).values.objectives
    return {"long-term" if found.policy == "greedy" else found.policy: found for found in tables[0].policies}


def branch_days(users: int, days: int, config: Config, seed: int) -> NDArray[np.int64]:
    """Return one of the days whose horizon is over by day `days`, for each user: int64 [users]."""
    longest = max(parse_duration(o.window) for o in over_horizons(config).objectives.values()) // DAY
    return np.random.default_rng(seed).integers(0, days - longest, users)


def branched(
    world: World,
    log: Contender,
    other: Contender | None,
    branch: NDArray[np.int64],
    config: Config,
    words: Vocabularies,
) -> NDArray[np.float64]:
    """Return the utility of each user's horizon from the branch day on, NaN before sign-up: float64 [users].

    Args:
        world: fresh.
        log: who decides on all other days.
        other: who decides on each user's branch day; None: `log` does.
        branch: int64 [users] days.
        config: the objectives.
        words: of the ledger that `other` was trained on.
    """
    run = Rollout(world, config, words)
    for day in range(world.days):
        if other is None or day > branch.max():
            run.day([log])
        else:
            run.day([log, other], (branch == day).astype(np.int64))
    shard = run.shard()
    users = np.arange(len(branch), dtype=np.int32)
    asked = Instants(users, world.start + branch * DAY)
    nobody = np.full(len(users), -1, np.int32)  # objectives of one decision have no weight here
    found = worth(outcomes(shard, asked, over_horizons(config), world.now, nobody), signed_weights(config))
    found[shard.users.signed_up_at > asked.at] = np.nan
    return found
