"""Bounds that know the truth."""

import pytest

from homing.lifecycle.compare import compare
from homing.lifecycle.contender import Entrant
from homing.lifecycle.oracles import look_ahead, one_step
from homing.lifecycle.rollout import rollout
from homing.schema import Config, InputError, parse_config
from homing.simulator import Setup, world_maker

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


def test_what_an_oracle_cannot_know_is_refused() -> None:
    spent = {"event": "session", "aggregate": "any", "window": "7d", "weight": 1.0}
    with pytest.raises(InputError, match=r"objectives.visit == any of 'session'.*weight = 0"):
        look_ahead(parse_config({"objectives": {"visit": spent}}))
    world = world_maker("streaming")(Setup(2_001, 1))
    with pytest.raises(InputError, match=r"users == 2,001, must be <= 2,000"):
        look_ahead(Config())(world)
