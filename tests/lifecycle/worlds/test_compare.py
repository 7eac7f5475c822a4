import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_world import SMALL_TOML

from homing.lifecycle.worlds.compare import Schooling, compare
from homing.lifecycle.worlds.entrants import untrained
from homing.lifecycle.worlds.measures import Lives, lives
from homing.lifecycle.worlds.rollout import rollout
from homing.report import Leaderboard
from homing.report.facts import Estimate
from homing.schema import EVENT_TYPES, Config, InputError, parse_config
from homing.schema.times import DAY
from homing.simulator import PART_USERS, Setup, world_maker

pytestmark = pytest.mark.slow

PEOPLE, DAYS = 300, 15
SETUP = Setup(PEOPLE, DAYS, seed=5)
Z = 1.959963984540054


def lived(policy: str, setup: Setup = SETUP) -> Lives:
    world = world_maker("streaming")(setup)
    return lives(rollout(world, untrained(policy, Config())(world), Config()))


def mean(numbers: NDArray[np.float64]) -> tuple[float, float, float]:
    half = Z * numbers.std(ddof=1) / np.sqrt(len(numbers))
    return numbers.mean(), numbers.mean() - half, numbers.mean() + half


def numbers(estimate: Estimate | None) -> tuple[float, float, float]:
    assert estimate is not None
    return estimate.value, estimate.low, estimate.high


@pytest.fixture(scope="module")
def found() -> Leaderboard:
    return compare("streaming", SETUP, ["random", "uniform"], Config())


def test_lives_are_those_in_the_events(found: Leaderboard) -> None:
    """Counted again, event by event."""
    world = world_maker("streaming")(SETUP)
    told = lives(run := rollout(world, untrained("random", Config())(world), Config()))
    by_name = {measure.name: told.numbers[:, place] for place, measure in enumerate(told.measures)}
    log = world.events()
    days: dict[int, set[int]] = {}
    counted = {name: np.zeros(PEOPLE) for name in ("minutes", "conversions", "revenue", "opens", "opt-outs")}
    for user, at, kind, value in zip(log["user"], log["at"], log["type"], log["value"], strict=True):
        name = EVENT_TYPES[kind]
        if name == "session":
            days.setdefault(int(user), set()).add((int(at) - world.start) // DAY)
            counted["minutes"][user] += value
        elif name == "converted":
            counted["conversions"][user] += 1
            counted["revenue"][user] += value
        elif name in ("opened", "opted_out"):
            counted["opens" if name == "opened" else "opt-outs"][user] += 1
    assert np.array_equal(by_name["active days"], [len(days.get(user, ())) for user in range(PEOPLE)])
    assert counted["minutes"].sum() > 0
    for name, column in counted.items():
        assert np.allclose(by_name[name], column), name
    sends = sum((drawn.message >= 0).sum() for drawn in run.log)
    assert by_name["sends"].sum() == sends > 0
    reachable = world.reachable()
    for channel, name in enumerate(world.vocabularies.channels.names):
        assert np.array_equal(by_name[f"reach {name}"], reachable[:, channel])
    assert told.active.shape == (PEOPLE, DAYS)
    assert told.active_weeks.shape == (PEOPLE, 2)  # whole ones
    assert np.array_equal(told.active_weeks[:, 0], told.active[:, :7].any(axis=1))


def test_differences_are_paired_by_person(found: Leaderboard) -> None:
    held = lived("hold")
    assert {standing.policy for standing in found.standings} == {"hold", "random", "uniform"}
    for policy in ("random", "uniform"):
        mine, standing = lived(policy), found.standing(policy)
        for place, measure in enumerate(found.measures):
            score, b, x = standing.score(measure.name), held.numbers[:, place], mine.numbers[:, place]
            assert numbers(score.mean) == pytest.approx(mean(x), rel=1e-6, abs=1e-9)
            assert numbers(score.difference) == pytest.approx(mean(x - b), rel=1e-6, abs=1e-7)
            if b.mean() > 0:
                ratio = (x - b).mean() / b.mean()
                half = Z * np.sqrt(np.square(x - b - ratio * b).sum() / (PEOPLE - 1) / PEOPLE) / b.mean()
                wanted = (ratio, ratio - half, ratio + half)
                assert numbers(score.relative) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
            else:
                assert score.relative is not None
                assert np.isnan(score.relative.value)
        assert standing.daily == pytest.approx(mine.active.mean(axis=0))
        for day in range(DAYS):
            gap = mine.active[:, day].astype(float) - held.active[:, day]
            assert numbers(standing.daily_difference[day]) == pytest.approx(mean(gap), rel=1e-6, abs=1e-7)
        assert len(standing.weekly) == len(standing.weekly_difference) == 2
    baseline = found.standing("hold")
    assert all(score.difference is None for score in baseline.scores)
    assert baseline.daily_difference == ()


def test_common_luck_narrows_the_difference(found: Leaderboard) -> None:
    """Two groups of different people would need an interval several times as wide."""
    score = found.standing("random").score("active days")
    apart = np.hypot(
        *(e.high - e.low for e in (score.mean, found.standing("hold").score("active days").mean))
    )
    assert score.difference is not None
    assert score.difference.high - score.difference.low < apart / 3


def test_the_best_stands_first(found: Leaderboard) -> None:
    means = [standing.scores[0].mean.value for standing in found.standings]
    assert means == sorted(means, reverse=True)
    assert found.standings[0].policy in found.header.verdict


def test_workers_and_the_order_of_names_do_not_matter(found: Leaderboard) -> None:
    people = PART_USERS + 50
    one, two = (
        compare("streaming", Setup(people, 2), names, Config(), workers=workers)
        for names, workers in ((["random", "hold"], 1), (["hold", "random"], 2))
    )
    assert one.standings == two.standings


def test_replicates_are_averaged_by_person() -> None:
    found = compare("streaming", SETUP, ["random"], Config(), replicates=2)
    x, b = (
        sum(lived(policy, replace(SETUP, replicate=replicate)).numbers for replicate in (0, 1)) / 2
        for policy in ("random", "hold")
    )
    score = found.standing("random").score("active days")
    assert numbers(score.difference) == pytest.approx(mean((x - b)[:, 0]), rel=1e-6)
    assert found.replicates == 2


def test_several_worlds_are_pooled() -> None:
    found = compare("streaming", SETUP, ["random"], Config(), seeds=2)
    gaps = [
        lived("random", replace(SETUP, seed=seed)).numbers[:, 0]
        - lived("hold", replace(SETUP, seed=seed)).numbers[:, 0]
        for seed in (5, 6)
    ]
    standing = found.standing("random")
    assert found.seeds == (5, 6)
    assert numbers(standing.scores[0].difference) == pytest.approx(mean(np.concatenate(gaps)), rel=1e-6)
    assert standing.by_seed == pytest.approx([gap.mean() for gap in gaps])


def test_trained_policies_learn_from_other_people_and_the_ground_is_kept(tmp_path: Path) -> None:
    config = parse_config(tomllib.loads(SMALL_TOML))
    school = Schooling(400, 28, tmp_path)
    before = compare("streaming", SETUP, ["learned", "greedy", "recovering"], config, schooling=school)
    assert before.standing("greedy").score("sends").mean.value > 1
    assert "400 other people" in before.training
    (release,) = (tmp_path / "seed-5" / "releases").glob("r-*")
    again = compare("streaming", SETUP, ["learned", "greedy", "recovering"], config, schooling=school)
    assert again.standings == before.standings
    assert [path.name for path in (tmp_path / "seed-5" / "releases").glob("r-*")] == [release.name]
    with pytest.raises(InputError, match="days == 28"):
        compare("streaming", SETUP, ["learned"], config, schooling=replace(school, days=30))


def test_facts_survive_the_way_to_json_and_back(found: Leaderboard) -> None:
    assert Leaderboard.from_dict(found.to_dict()).to_dict() == found.to_dict()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"policies": ["randm"]}, "did you mean 'random'"),
        ({"world": "streeming"}, "did you mean 'streaming'"),
        ({"seeds": 0}, "seeds == 0"),
        ({"baseline": "nothing"}, "policy == 'nothing'"),
    ],
)
def test_what_cannot_be_compared(change: dict[str, object], says: str) -> None:
    settings: dict[str, object] = {"world": "streaming", "setup": SETUP, "policies": ["random"]} | change
    with pytest.raises(InputError, match=says):
        compare(config=Config(), **settings)  # type: ignore[arg-type]
