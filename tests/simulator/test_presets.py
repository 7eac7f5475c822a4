from dataclasses import fields

import numpy as np
import pytest

from homing.simulator import Setup, SimulatedWorld
from homing.simulator.registry import PRESETS, world_maker, world_names
from simulator.knowing import (
    Outcome,
    Policy,
    careful,
    click_greedy,
    click_greedy_every_third_day,
    hold,
    live,
)

pytestmark = pytest.mark.slow

FOUR = (hold, click_greedy, click_greedy_every_third_day, careful)


def run(name: str, users: int = 1500, days: int = 42) -> dict[Policy, Outcome]:
    return {policy: live(PRESETS[name], Setup(users, days), policy) for policy in FOUR}


def surely_more(a: Outcome, b: Outcome, by: float = 0.0) -> bool:
    """Whether people come on more late days under a, by a paired 95 % interval."""
    change = a.late_days - b.late_days
    return bool(change.mean() - 1.96 * change.std() / np.sqrt(len(change)) > by)


@pytest.mark.parametrize("name", ["streaming", "commerce", "news", "adverse"])
def test_click_greedy_loses_to_fewer_sends(name: str) -> None:
    found = run(name)
    greedy = found[click_greedy]
    for policy in (hold, click_greedy_every_third_day, careful):
        assert found[policy].sends.mean() < 0.7 * greedy.sends.mean()
        assert surely_more(found[policy], greedy)
    assert greedy.clicks.mean() > found[click_greedy_every_third_day].clicks.mean()  # clicks and loyalty part
    if name == "adverse":
        assert greedy.late_days.mean() < 0.9 * found[hold].late_days.mean()


def test_click_greedy_does_not_lose_where_messages_are_worth_it() -> None:
    found = run("learning")
    for policy in (hold, click_greedy_every_third_day):
        assert surely_more(found[click_greedy], found[policy])


@pytest.mark.parametrize("name", PRESETS)
def test_domain_values_are_informative_in_some_biased_in_some_and_noise_in_one(name: str) -> None:
    spec = PRESETS[name]
    beliefs = [domain.generator.belief for domain in spec.domains]
    assert beliefs.count("noise") == 1
    assert "informative" in beliefs and {"loudness", "price_blind"} & set(beliefs)
    world = SimulatedWorld(spec, Setup(3000, 10))
    rows = world.opportunities
    user = np.repeat(np.arange(3000), np.diff(rows.offsets))
    relevance = np.einsum(
        "ij,ij->i", world._setting.traits.taste[user], world._setting.catalogue.topics[rows.message]
    )
    for code, belief in enumerate(beliefs):
        mine = (rows.generator == code) & np.isfinite(rows.domain_value)
        fit = np.corrcoef(relevance[mine], rows.domain_value[mine])[0, 1]
        assert mine.sum() > 200
        if belief == "informative":
            assert fit > 0.6
        elif belief == "noise":
            assert abs(fit) < 0.1


@pytest.mark.parametrize("name", PRESETS)
def test_people_are_heavy_tailed_correlated_and_partly_seen(name: str) -> None:
    world = SimulatedWorld(PRESETS[name], Setup(8000, 1))
    traits = world._setting.traits
    share = np.sort(traits.intensity)[::-1].cumsum() / traits.intensity.sum()
    assert share[len(share) // 10] > 0.18  # the busiest tenth makes far more than a tenth of the visits
    assert np.corrcoef(np.log(traits.intensity), traits.content_match)[0, 1] > 0.1
    assert np.corrcoef(np.log(traits.intensity), traits.price_sensitivity)[0, 1] < -0.1
    seen = np.corrcoef(world.users.numeric[:, 0], np.log(traits.intensity))[0, 1]
    assert 0.3 < seen < 0.9
    assert abs(np.corrcoef(world.users.numeric[:, 1], np.log(traits.intensity))[0, 1]) < 0.05


def test_worlds_differ_in_what_a_policy_could_learn_by_heart() -> None:
    specs = list(PRESETS.values())
    assert len({spec.topics for spec in specs}) == len(specs)
    assert len({domain.name for spec in specs for domain in spec.domains}) == sum(
        len(s.domains) for s in specs
    )
    for part in ("habit", "churn", "annoyance", "week"):
        assert len({getattr(spec.mechanisms, part) for spec in specs}) == len(specs)
    for field in fields(specs[0].people):
        if field.name in ("intensity", "activity", "regions", "rhythms"):
            assert len({getattr(spec.people, field.name) for spec in specs}) >= len(specs) - 1


def test_a_longer_period_has_more_messages_so_that_there_is_always_something_new() -> None:
    for days in (14, 90):
        messages = SimulatedWorld(PRESETS["news"], Setup(20, days)).messages
        breaking = messages.domain == 0
        for day in (0.5, days / 2, days - 0.5):
            at = Setup(1, 1).start + int(day * 86_400_000_000)
            alive = breaking & (messages.valid_from <= at) & (at < messages.valid_until)
            assert 5 <= alive.sum() <= 14


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_known_by_name(name: str) -> None:
    assert name in world_names()
    assert world_maker(name)(Setup(30, 2)).setup.users == 30
