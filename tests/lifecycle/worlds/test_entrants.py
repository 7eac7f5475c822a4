from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_world import SmallWorld

from homing.decision import Context, Hold
from homing.lifecycle.worlds import entrants
from homing.lifecycle.worlds.contender import Contender
from homing.lifecycle.worlds.entrants import (
    KNOWN,
    Free,
    Trained,
    entrant_names,
    find_entrant,
    made,
    untrained,
)
from homing.lifecycle.worlds.ground import Ground
from homing.lifecycle.worlds.rollout import Rollout
from homing.schema import Config, InputError
from homing.simulator import Setup, World, world_maker

pytestmark = pytest.mark.slow


class Silence:
    """A policy as another package would write it."""

    name, floor = "silence", 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        return context.candidates.is_hold.astype(np.float64)


class Student(Silence):
    """One that learns."""

    learned: tuple[int, tuple[str, ...]]

    @classmethod
    def fit(cls, shards: Any, config: Config) -> "Student":
        student = cls()
        student.learned = (sum(len(shard.decisions) for shard in shards), tuple(config.objectives))
        return student


def enter(world: World) -> Contender:
    return Contender("entered", Hold(), history=False)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"{__name__}:"
    found = EntryPoints(
        EntryPoint(name, here + what, entrants.GROUP)
        for name, what in {
            "silence": "Silence",
            "student": "Student",
            "entered": "maker_of_entrants",
            "nonsense": "nonsense",
        }.items()
    )
    monkeypatch.setattr(entrants, "entry_points", lambda group: found.select(group=group))


def maker_of_entrants() -> Any:
    return enter


def nonsense() -> int:
    return 7


def a_day(policy: str, ground: Ground) -> Rollout:
    world = world_maker("streaming")(Setup(200, 3))
    run = Rollout(world, ground.config, ground.vocabularies)
    entrant = made(policy, ground)(world)
    for _ in range(2):
        drawn = run.day([entrant])
        assert np.isfinite(drawn.propensity).all()
        assert (drawn.propensity > 0).all()
    return run


@pytest.fixture(scope="module")
def ground(small_world: SmallWorld) -> Ground:
    return Ground.of(small_world.workspace)


@pytest.mark.parametrize(
    # the look-ahead oracle has tests of its own, and is slow
    "name",
    [*(name for name in KNOWN if name != "lookahead"), "learned:engagement", "greedy:conversion"],
)
def test_every_policy_decides_in_a_world(ground: Ground, name: str) -> None:
    a_day(name, ground)


def test_greedy_sends_more_than_it_does_with_a_penalty(ground: Ground) -> None:
    sends = {
        name: sum(int((drawn.message >= 0).sum()) for drawn in a_day(name, ground).log)
        for name in ("greedy", "greedy-penalty")
    }
    assert sends["greedy"] > sends["greedy-penalty"]


@pytest.mark.usefixtures("registered")
def test_policies_of_other_packages(ground: Ground) -> None:
    assert {"silence", "student", "entered"} < set(entrant_names())
    for name in ("silence", "student", "entered"):
        assert all((drawn.message < 0).all() for drawn in a_day(name, ground).log)
    student = made("student", ground)(world_maker("streaming")(Setup(10, 1))).policy
    assert isinstance(student, Student)
    decisions, objectives = student.learned
    assert decisions > 5_000
    assert objectives == tuple(ground.config.objectives)
    assert isinstance(find_entrant("silence"), Free)
    assert isinstance(find_entrant("student"), Trained)
    with pytest.raises(InputError, match="gives a int, must give a policy with a method `probabilities`"):
        find_entrant("nonsense")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("silense", "did you mean 'silence'"),
        ("greedy", "learns from a log, must be one that does not, such as hold"),
        ("student", "learns from a log"),
        ("recovering:conversion", "must be one of"),
    ],
)
def test_names_that_do_not_serve_without_a_log(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        untrained(name, Config())
