import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_world import SmallWorld

from homing.schema.times import DAY, format_time
from homing.store import Workspace

from .conftest import Homing


@pytest.fixture
def workspace(copied: Callable[[], Workspace]) -> Path:
    return copied().path


def told(homing: Homing, *arguments: object) -> Any:
    ran = homing("experiment", *arguments, "--json")
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def test_from_new_to_stop(homing: Homing, workspace: Path, small_world: SmallWorld) -> None:
    assert told(homing, "list", "-w", workspace) == []
    made = homing("experiment", "new", "quiet", "-w", workspace)
    assert made.status == 0
    assert "homing experiment design quiet" in " ".join(made.out.split())
    designed = told(homing, "design", "quiet", "-w", workspace, "--users-a-day", "5")
    assert {need["metric"] for need in designed["needs"]} == {"conversion", "engagement", "annoyance"}
    assert designed["users_a_day"] == 5
    assert [look["share"] for look in designed["looks"]["looks"]] == [0.25, 0.5, 0.75, 1]
    assert designed["looks"]["inflation"] > 1
    assert (designed["worth"]["decides"], 0 < designed["worth"]["power"] < 1) == (False, True)
    assert set(designed["worth"]["by_weight"]) == {"conversion", "engagement", "annoyance"}
    assert [cost["sends"] > 0 for cost in designed["costs"]] == [False, True]
    shown = homing("experiment", "design", "quiet", "-w", workspace)
    assert "warning: users who count are those for whom arms differ" in " ".join(shown.out.split())

    assert "Looks take" in " ".join(shown.out.split())
    assert "Beside it: Ship an arm if the sum" in " ".join(shown.out.split())

    record = told(homing, "start", "quiet", "-w", workspace)
    assert record["design"]["worth"] == {"conversion": 1.0, "engagement": 0.002, "annoyance": 0.5}
    first = small_world.end + DAY
    assert record["history"][0]["at"] == first
    (listed,) = told(homing, "list", "-w", workspace)
    assert (listed["name"], listed["status"]) == ("quiet", "waiting")
    assert homing("plan", "--at", format_time(first), "-w", workspace).status == 0
    ran = homing("experiment", "analyse", "quiet", "-w", workspace)
    assert ran.status == 2
    assert "nothing is known after" in ran.err

    ran = homing("experiment", "ramp", "quiet", "--traffic", "0.5", "-w", workspace)
    assert (ran.status, "must be over 1" in ran.err) == (2, True)
    stopped = homing("experiment", "stop", "quiet", "--reason", "a drill", "-w", workspace)
    assert f"quiet is stopped from {format_time(first + DAY)} on" in " ".join(stopped.out.split())
    shown = homing("experiment", "show", "quiet", "-w", workspace)
    assert "a drill" in shown.out
    assert told(homing, "show", "quiet", "-w", workspace)["design"]["arms"]["control"]["policy"] == "hold"


def test_mistakes_say_what_to_do(homing: Homing, workspace: Path) -> None:
    for command, arguments, error in (
        ("design", ("nothing",), "'homing experiment new nothing' writes a design"),
        ("start", ("a b",), "must be of small letters"),
        ("analyse", ("quiet",), "'homing experiment start quiet'"),
        ("start", ("quiet", "--at", "soon"), "--at: 'soon' is not a time"),
        ("explain", ("metrix",), "did you mean 'metrics'"),
        ("holdout", (), "holdout.share == 0, so nobody is held out"),
        ("holdout", ("--since", "soon"), "--since: 'soon' is not a time"),
    ):
        if arguments[:1] == ("quiet",) and not (workspace / "experiments" / "quiet.toml").is_file():
            homing("experiment", "new", "quiet", "-w", workspace)
        folder = () if command == "explain" else ("-w", workspace)
        ran = homing("experiment", command, *arguments, *folder)
        assert ran.status == 2
        assert error in " ".join(ran.err.split())


def test_every_key_of_a_design_is_explained(homing: Homing) -> None:
    keys = {key["name"]: key for key in told(homing, "explain")}
    assert {"days", "arms.NAME.share", "metrics.NAME.role", "looks"} <= set(keys)
    assert all(key["meaning"] for key in keys.values())
    assert keys["metrics.NAME.role"]["default"] == "(must be given)"
    assert {key["name"] for key in told(homing, "explain", "arms")} == {
        f"arms.NAME.{name}" for name in ("share", "policy", "release", "weights")
    }
