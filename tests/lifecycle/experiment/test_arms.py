"""Arms in a plan, checked against plans of the same ledger without the experiment."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_world import SmallWorld

from homing.experiments import Experiment, assign, hash_ids
from homing.lifecycle.experiment.running import ramp, start, stop
from homing.lifecycle.explain import explain_decision, explain_user
from homing.lifecycle.plan import plan
from homing.lifecycle.release import save_release
from homing.schema import InputError
from homing.schema.times import DAY, to_datetime
from homing.store import Workspace, write_design

METRIC = '[metrics.m]\nrole = "success"\nevent = "session"\neffect = 0.1\n'
HOLD = f'[arms.control]\nshare = 0.25\npolicy = "hold"\n[arms.as-usual]\nshare = 0.75\n{METRIC}'
WEIGHTS = f"[arms.control]\nshare = 0.5\n[arms.calm]\nshare = 0.5\nweights = {{ annoyance = 20.0 }}\n{METRIC}"

Row = dict[str, Any]


def rows(workspace: Workspace, at: int) -> dict[str, Row]:
    frames = [pl.read_parquet(path) for path in Workspace.open(workspace.path).ledger.files("decisions")]
    table = pl.concat(frames, how="diagonal_relaxed").filter(pl.col("epoch_at") == to_datetime(at))
    return {row["user_id"]: row for row in table.to_dicts()}


def choice(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("opportunity_id", "channel", "slot_start"))


def hashed(names: list[str], experiment: Experiment, salt: str = "homing") -> dict[str, str]:
    arms = [*experiment.arms, ""]
    return {n: arms[code] for n, code in zip(names, assign(hash_ids(names), experiment, salt), strict=True)}


@pytest.fixture
def twins(copied: Callable[[], Workspace], tmp_path: Path) -> tuple[Workspace, Workspace]:
    """Two copies of the small world: one to experiment in, one to plan as without."""
    one = copied()
    shutil.copytree(one.path, tmp_path / "plain")
    return one, Workspace.open(tmp_path / "plain")


def test_a_hold_arm_holds_and_the_rest_is_as_without(
    twins: tuple[Workspace, Workspace], small_world: SmallWorld
) -> None:
    tried, plain = twins
    at = small_world.end + DAY
    write_design(tried, "quiet", f'control = "control"\n{HOLD}')
    start(tried, "quiet")
    found, again = plan(tried, at), plan(tried, at)
    assert (found.added > 300, again.added) == (True, 0)
    plan(plain, at)
    ours, theirs = rows(tried, at), rows(plain, at)
    assert ours.keys() == theirs.keys()
    arm = hashed(sorted(ours), Experiment("quiet", {"control": 0.25, "as-usual": 0.75}))
    for user, row in ours.items():
        other = theirs[user]
        assert row["arms"] == [f"quiet:{arm[user]}"]
        assert row["triggered"] == (["quiet"] if other["action"] == "send" else [])
        assert row["decision_id"] == other["decision_id"]
        assert row["candidate_set"] == other["candidate_set"]
        if arm[user] == "control":
            assert (row["action"], row["propensity"]) == ("hold", 1.0)
            assert row["reason"] == "arm"
        else:
            assert choice(row) == choice(other)
            assert row["propensity"] == pytest.approx(other["propensity"], rel=1e-4)
            assert row["reason"] == other["reason"]
    assert {value for row in ours.values() for value in row["triggered"]} == {"quiet"}
    funnel = found.funnel
    assert funnel.sends == sum(row["action"] == "send" for row in ours.values())
    assert funnel.candidates == funnel.eligible + sum(item.count for item in funnel.removed)
    held = next(row for row in ours.values() if row["reason"] == "arm" and row["candidates"] > 1)
    told = explain_decision(tried, held["decision_id"])
    assert told.notes == ("the user is in arm control of quiet",)
    assert [o.probability for o in told.options if o.chosen] == [1.0]


def test_other_weights_decide_otherwise_and_log_their_own_propensity(
    twins: tuple[Workspace, Workspace], small_world: SmallWorld
) -> None:
    tried, plain = twins
    at = small_world.end + DAY
    write_design(tried, "calmer", WEIGHTS)
    start(tried, "calmer")
    plan(tried, at)
    plan(plain, at)
    ours, theirs = rows(tried, at), rows(plain, at)
    calm = {user: row for user, row in ours.items() if row["arms"] == ["calmer:calm"]}
    moved = {user for user, row in calm.items() if choice(row) != choice(theirs[user])}
    assert moved == {user for user, row in calm.items() if row["triggered"]}
    assert 0 < len(moved) < len(calm)
    sends = [sum(table[user]["action"] == "send" for user in calm) for table in (ours, theirs)]
    assert sends[0] < sends[1]
    for user in sorted(moved)[:3]:
        told = explain_decision(tried, calm[user]["decision_id"])
        (chosen,) = (option for option in told.options if option.chosen)
        assert chosen.probability == pytest.approx(calm[user]["propensity"], rel=1e-4)


def test_a_ramp_adds_users_and_a_stop_ends_it(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = copied()
    write_design(workspace, "quiet", f"traffic = 0.2\n{HOLD}")
    start(workspace, "quiet")
    days = [small_world.end + day * DAY for day in (1, 2, 3)]
    plan(workspace, days[0])
    with pytest.raises(InputError, match="must be after"):
        ramp(workspace, "quiet", 0.6, days[0])
    ramp(workspace, "quiet", 0.6)
    plan(workspace, days[1])
    stop(workspace, "quiet", reason="enough")
    plan(workspace, days[2])
    arms = [{u: row["arms"] for u, row in rows(workspace, at).items() if row["arms"]} for at in days]
    users = len(rows(workspace, days[0]))
    assert 0.1 * users < len(arms[0]) < 0.3 * users < 0.5 * users < len(arms[1]) < 0.7 * users
    assert all(arms[1][user] == arm for user, arm in arms[0].items())
    assert arms[2] == {}


def test_the_global_holdout_is_in_nothing(copied: Callable[[], Workspace], small_world: SmallWorld) -> None:
    workspace = copied()
    settings = workspace.path / "homing.toml"
    settings.write_text(settings.read_text() + "\n[holdout]\nshare = 0.2\n")
    workspace = Workspace.open(workspace.path)
    write_design(workspace, "calmer", WEIGHTS)
    start(workspace, "calmer")
    at = small_world.end + DAY
    plan(workspace, at)
    found = rows(workspace, at)
    held = {user: row for user, row in found.items() if row["arms"] == ["holdout:held"]}
    assert 0.1 < len(held) / len(found) < 0.3
    assert {row["action"] for row in held.values()} == {"hold"}
    assert {row["arms"][0].split(":")[0] for row in found.values()} == {"holdout", "calmer"}
    assert "the user is in the global holdout" in explain_user(workspace, sorted(held)[0], at).notes


def test_independent_experiments_share_users_and_set_different_things(
    copied: Callable[[], Workspace], small_world: SmallWorld
) -> None:
    workspace = copied()
    write_design(workspace, "calmer", WEIGHTS)
    write_design(workspace, "quiet", HOLD)
    start(workspace, "calmer")
    start(workspace, "quiet")
    at = small_world.end + DAY
    plan(workspace, at)
    found = rows(workspace, at)
    pairs = [tuple(sorted(row["arms"])) for row in found.values()]
    assert {len(pair) for pair in pairs} == {2}
    assert len(set(pairs)) == 4
    # who holds by the one has no different decision by the other
    assert all("calmer" not in row["triggered"] for row in found.values() if "quiet:control" in row["arms"])
    assert any(row["triggered"] == ["calmer"] for row in found.values())


def test_releases_are_arms(copied: Callable[[], Workspace], small_world: SmallWorld) -> None:
    """Two releases with one model and other temperatures: each row has the release that drew it."""
    workspace = copied()
    first = small_world.trained.release
    calmer = dataclasses.replace(first, temperature=first.temperature / 50)
    second = save_release(workspace, calmer)
    arms = f'[arms.control]\nshare = 0.5\nrelease = "{first.id}"\n[arms.new]\nshare = 0.5\n'
    write_design(workspace, "releases", f'{arms}release = "current"\n{METRIC}')
    record = start(workspace, "releases")
    assert {name: arm.release for name, arm in record.design.arms.items()} == {
        "control": first.id,
        "new": second.id,
    }
    at = small_world.end + DAY
    plan(workspace, at)
    found = rows(workspace, at)
    drew = {(row["arms"][0], row["release_id"]) for row in found.values()}
    assert drew == {("releases:control", first.id), ("releases:new", second.id)}
    triggered = [row for row in found.values() if row["triggered"]]
    assert 0 < len(triggered) < len(found) / 2
    row = next(row for row in triggered if row["arms"] == ["releases:new"])
    told = explain_decision(workspace, row["decision_id"])
    assert told.release == second.id
    (chosen,) = (option for option in told.options if option.chosen)
    assert chosen.probability == pytest.approx(row["propensity"], rel=1e-4)
