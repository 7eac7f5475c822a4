"""Switching a mechanism off moves outcomes in the direction that theory says, at equal luck."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from homing.schema.times import DAY, HOUR, MINUTE
from homing.simulator.calibration import without
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.reaction import relevance_of
from homing.simulator.registry import world_spec
from homing.simulator.spec import Spec
from simulator.conftest import Driven, drive

pytestmark = pytest.mark.slow

Measure = Callable[[Driven], float]
DAYS = 21


@cache
def lived(preset: str, switch: str | None, rate: float) -> Driven:
    spec = world_spec(preset)
    return drive(1500, DAYS, rate=rate, spec=off(spec, switch) if switch else spec)


def off(spec: Spec, switch: str) -> Spec:
    name, _, field = switch.rpartition(".")
    return without(spec, name, field)


def count(name: str, channel: str | None = None, since: int = 0) -> Measure:
    def measure(driven: Driven) -> float:
        return float((driven.events(name, channel)["at"] >= driven.world.start + since * DAY).sum())

    return measure


def visits_of_newcomers(driven: Driven) -> float:
    new = driven.world.users.signed_up_at >= driven.world.start
    return float(new[driven.events("session")["user"]].sum())


def sought(column: Callable[[Driven, dict[str, NDArray[np.generic]]], NDArray[np.float64]]) -> Measure:
    """How much more of something there is in what was opened than in what was delivered."""

    def measure(driven: Driven) -> float:
        opened, delivered = driven.events("opened", "push"), driven.events("delivered", "push")
        ids = {(int(a), int(b)) for a, b in opened["decision"]}
        hit = np.array([(int(a), int(b)) in ids for a, b in delivered["decision"]])
        values = column(driven, delivered)
        return float(values[hit].mean() - values[~hit].mean())

    return measure


def relevance(driven: Driven, rows: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    user, message = rows["user"].astype(np.int64), rows["message"].astype(np.int64)
    return relevance_of(driven.world._setting, 0, user, message)


def affinity(driven: Driven, rows: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    return driven.world._setting.traits.affinity[rows["user"], rows["channel"]]


def receptivity(driven: Driven, rows: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    setting, user = driven.world._setting, rows["user"].astype(np.int64)
    hour = (setting.local(0, user, rows["at"].astype(np.int64)) / HOUR - setting.traits.shift[user]) % 24
    return np.log(24 * setting.rhythm[setting.traits.archetype[user], hour.astype(int) % 24])


def median_wait(before: str, after: str) -> Measure:
    def measure(driven: Driven) -> float:
        causes, effects = driven.events(before), driven.events(after)
        at = {(int(a), int(b)): t for (a, b), t in zip(causes["decision"], causes["at"], strict=True)}
        rows = zip(effects["decision"], effects["at"], strict=True)
        return float(
            np.median([t - at[int(a), int(b)] for (a, b), t in rows if (int(a), int(b)) in at]) / MINUTE
        )

    return measure


def weekly_swing(driven: Driven) -> float:
    days = np.bincount((driven.events("session")["at"] - driven.world.start) // DAY, minlength=DAYS)
    return float(np.ptp(days.reshape(-1, 7).sum(axis=0)))


def reachable(driven: Driven) -> float:
    return float(driven.world.reachable().sum())


@pytest.mark.parametrize(
    ("switch", "preset", "rate", "measure", "direction"),
    [
        ("response.opening.relevance_on", "streaming", 1.0, sought(relevance), -1),
        ("response.opening.affinity_on", "streaming", 1.0, sought(affinity), -1),
        ("response.opening.moment_on", "learning", 1.0, sought(receptivity), -1),
        ("response.opening.staleness_on", "news", 1.0, count("opened"), +1),
        ("response.opening.readiness_on", "learning", 1.0, count("opened", "push"), -1),
        ("response.delay.on", "streaming", 1.0, median_wait("delivered", "opened"), -1),
        ("response.worth.on", "adverse", 1.0, count("session", since=7), +1),
        ("fatigue.on", "streaming", 1.0, count("opened", since=7), +1),
        ("repetition.on", "streaming", 1.0, count("opened", since=7), +1),
        ("annoyance.on", "adverse", 1.0, count("session", since=7), +1),
        ("opt_out.on", "commerce", 1.0, reachable, +1),
        ("opt_in.on", "streaming", 0.0, reachable, -1),
        ("token_loss.on", "streaming", 0.0, reachable, +1),
        ("displacement.on", "learning", 1.0, count("session"), +1),
        ("churn.on", "adverse", 1.0, count("session", since=14), +1),
        ("stages.on", "learning", 0.0, visits_of_newcomers, -1),
        ("week.on", "news", 0.0, weekly_swing, -1),
        ("conversion.delayed_on", "commerce", 1.0, median_wait("clicked", "converted"), -1),
        ("conversion.delayed_on", "commerce", 1.0, count("converted"), +1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_off_moves_the_outcome(
    switch: str, preset: str, rate: float, measure: Measure, direction: int
) -> None:
    change = measure(lived(preset, switch, rate)) - measure(lived(preset, None, rate))
    assert change * direction > 0


def test_without_drift_late_pushes_are_opened_more() -> None:
    spec = world_spec("drifting")
    opens = [
        count("opened", "push", since=24)(drive(1500, 35, rate=1.0, spec=each))
        for each in (spec, without(spec, "drift"))
    ]
    assert opens[1] > 1.5 * opens[0]  # the sudden drop takes more than half of the odds


def test_habit_is_all_by_which_messages_change_own_visits() -> None:
    spec = world_spec("learning")
    for name in ("habit", "churn", "displacement"):
        spec = without(spec, name)
    own = []
    for rate in (0.0, 1.0):
        sessions = drive(800, 14, rate=rate, spec=spec).events("session")
        organic = ~sessions["decision"].any(axis=1)
        own.append((sessions["user"][organic].tolist(), sessions["at"][organic].tolist()))
    assert own[0] == own[1]
    with_habit = replace(spec, mechanisms=replace(spec.mechanisms, habit=Mechanisms().habit))
    sessions = [drive(800, 14, rate=rate, spec=with_habit).events("session") for rate in (0.0, 1.0)]
    assert (~sessions[0]["decision"].any(axis=1)).sum() != (~sessions[1]["decision"].any(axis=1)).sum()
