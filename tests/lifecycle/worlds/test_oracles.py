"""Bounds that know the truth."""

import numpy as np
import pytest

from homing.decision import build_candidates
from homing.lifecycle.epoch import users_at
from homing.lifecycle.worlds.compare import compare
from homing.lifecycle.worlds.contender import Entrant
from homing.lifecycle.worlds.oracles import look_ahead, one_step
from homing.lifecycle.worlds.rollout import Rollout, rollout
from homing.schema import Config, InputError, parse_config
from homing.simulator import Setup, world_maker

pytestmark = pytest.mark.slow

CLICKS = parse_config(
    {
        "objectives": {
            "click": {"event": "clicked", "aggregate": "any", "window": "7d", "weight": 1.0},
        }
    }
)
#: What lasts: more active days.
RETENTION = parse_config(
    {
        "objectives": {
            "retention": {"event": "session", "aggregate": "active_days", "window": "14d", "weight": 1.0},
        }
    }
)


def test_one_step_wins_what_it_looks_at() -> None:
    found = compare("commerce", Setup(1200, 10, seed=3), ["uniform", "oracle"], CLICKS)
    apart = found.standing("oracle").score("clicks").difference
    by_chance = found.standing("uniform").score("clicks").difference
    assert apart is not None and by_chance is not None
    assert apart.low > by_chance.high > 0


def sends_in(world_name: str, entrant: Entrant, config: Config, setup: Setup) -> int:
    world = world_maker(world_name)(setup)
    return sum(int((drawn.message >= 0).sum()) for drawn in rollout(world, entrant(world), config).log)


def test_looking_ahead_holds_where_one_step_sends() -> None:
    """In the adverse world an open brings a visit at once and costs habit later."""
    setup = Setup(60, 6, seed=3)
    near = sends_in("adverse", one_step(RETENTION), RETENTION, setup)
    far = sends_in("adverse", look_ahead(RETENTION, 14, 16), RETENTION, setup)
    assert 0 < far < 0.85 * near


def values_of(entrant: Entrant, world_name: str, setup: Setup) -> np.ndarray:
    world = world_maker(world_name)(setup)
    shard = Rollout(world, Config()).shard()
    candidates = build_candidates(shard, users_at(shard, world.start), Config())[0]
    score = entrant(world).score
    assert score is not None
    return score(shard)(candidates)


def over(horizon: str | None, **told: object) -> Config:
    objective = {"weight": 1.0, "horizon": horizon, **told}
    return parse_config({"objectives": {"one": objective}})


def test_looking_ahead_goes_by_the_horizon() -> None:
    days = {"event": "session", "aggregate": "active_days", "window": "1d"}
    setup = Setup(12, 2, seed=3)

    def found(horizon: str | None, ahead: int) -> np.ndarray:
        return values_of(look_ahead(over(horizon, **days), ahead, 4), "adverse", setup)

    np.testing.assert_array_equal(found("5d", 28), found(None, 5))
    assert (found("5d", 28) != found(None, 28)).any()


def test_each_objective_is_looked_at_over_its_own_horizon() -> None:
    visits = {"event": "session", "window": "1d", "weight": 1.0}
    both = {"near": visits | {"horizon": "3d"}, "far": visits | {"horizon": "9d"}}
    config = parse_config({"objectives": both})  # whether there is a visit: with a horizon, how many
    setup = Setup(12, 2, seed=3)
    values = values_of(look_ahead(config, 28, 4), "adverse", setup)
    for column, name in enumerate(both):
        alone = look_ahead(config.model_copy(update={"objectives": {name: config.objectives[name]}}), 28, 4)
        np.testing.assert_array_equal(values[:, column], values_of(alone, "adverse", setup)[:, 0])
    assert (values[:, 0] != values[:, 1]).any()


def test_one_step_counts_conversions_until_the_horizon() -> None:
    sold = {"event": "converted", "window": "6h"}
    near, far = (
        values_of(one_step(over(horizon, **sold)), "commerce", Setup(60, 2, seed=3))
        for horizon in (None, "7d")
    )
    assert (far >= near).all()
    assert (far > near).any()


def test_what_an_oracle_cannot_know_is_refused() -> None:
    spent = {"event": "session", "aggregate": "any", "window": "7d", "weight": 1.0}
    with pytest.raises(InputError, match=r"objectives.visit == any of 'session'.*weight = 0"):
        look_ahead(parse_config({"objectives": {"visit": spent}}))
    world = world_maker("streaming")(Setup(2_001, 1))
    with pytest.raises(InputError, match=r"users == 2,001, must be <= 2,000"):
        look_ahead(Config())(world)
