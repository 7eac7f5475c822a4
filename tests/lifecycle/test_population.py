from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from small_world import DAYS, USERS, SmallWorld

from homing.lifecycle.evaluate import evaluate
from homing.lifecycle.population import Portrait, todays_users
from homing.lifecycle.progress import Silent
from homing.schema.times import DAY, to_datetime
from homing.store import Workspace, ingest


def portrait(small_world: SmallWorld, history: int) -> Portrait:
    return Portrait.choose(small_world.trained.release.view, history, small_world.end)


def test_counts_are_compared_where_the_log_is_long_enough_for_them(small_world: SmallWorld) -> None:
    short, month, long = (portrait(small_world, days * DAY) for days in (27, 28, 112))
    assert not [name for name in short.names if "events" in name]
    assert {name[-4:] for name in month.names if "events" in name} == {"(7d)"}
    assert {name.split("(")[-1] for name in long.names if "events" in name} == {"7d)", "28d)"}
    for found in (short, month, long):
        assert found.names[-1] == "days since sign-up"
        assert "reachable.push" in found.names


def test_todays_users_are_those_who_have_signed_up(small_world: SmallWorld) -> None:
    found, view = portrait(small_world, 28 * DAY), small_world.trained.release.view
    today = todays_users(small_world.workspace, view, found, small_world.end, Silent())
    users = pl.read_parquet(small_world.log / "users.parquet")
    assert len(today.people) == len(today.traits) == USERS
    days = (to_datetime(small_world.end) - users["signed_up_at"]).dt.total_microseconds() / DAY
    np.testing.assert_allclose(np.sort(np.expm1(today.people[:, -1])), np.sort(days), rtol=1e-3)
    first = int(users["signed_up_at"].sort()[99].timestamp() * 1e6)
    assert len(todays_users(small_world.workspace, view, found, first, Silent()).people) in (99, 100)


def test_counts_are_those_of_all_sources(small_world: SmallWorld) -> None:
    found, view = portrait(small_world, 28 * DAY), small_world.trained.release.view
    today = todays_users(small_world.workspace, view, found, small_world.end, Silent())
    events = pl.read_parquet(small_world.log / "events.parquet").filter(pl.col("type") == "session")
    age = (to_datetime(small_world.end) - events["at"]).dt.total_microseconds() / (7 * DAY)
    column = today.people[:, found.names.index("session events (7d)")]
    assert np.expm1(column).sum() == pytest.approx(float((0.5**age).sum()), rel=1e-3)


def test_the_users_of_a_steady_world_have_not_moved(small_world: SmallWorld) -> None:
    population = small_world.evaluated.values.population
    assert population is not None
    assert population.users == USERS
    assert population.moved == ()


@pytest.mark.slow
def test_users_who_flood_in_after_the_log_are_told(
    small_world: SmallWorld, copied: Callable[[], Workspace]
) -> None:
    workspace, late = copied(), to_datetime(small_world.end - DAY // 2)
    users = pl.read_parquet(small_world.log / "users.parquet")
    more = users.with_columns(
        user_id=pl.concat_str(pl.lit("new-"), "user_id"),
        signed_up_at=pl.lit(late).cast(users.schema["signed_up_at"]),
        x_country=pl.lit("IS"),
    )
    folder = workspace.path / "more"
    folder.mkdir()
    more.write_parquet(folder / "users.parquet")
    ingest(workspace, [folder])
    found = evaluate(workspace, ["hold"])
    population = found.values.population
    assert population is not None
    assert population.users == 2 * USERS
    assert {"days since sign-up", "x_country = IS"} <= {shifted.feature for shifted in population.moved}
    (alert,) = (alert for alert in found.record.facts.alerts if alert.subject == "Population")
    assert alert.level == "critical"  # nobody in the log is from there, so nothing can be carried over
    assert population.carried is None
    assert found.values.gate is not None
    assert not found.values.gate.allowed
    assert DAYS * USERS > found.values.decisions > 0
