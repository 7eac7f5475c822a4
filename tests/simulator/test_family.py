import numpy as np
import pytest

from homing.schema import InputError
from homing.simulator import Setup, world_maker
from homing.simulator.calibration import moments
from homing.simulator.family import (
    DOMAIN,
    MECHANISMS,
    PEOPLE,
    SWITCHES,
    assign,
    draw_spec,
    family_seed,
)
from homing.simulator.registry import world_spec
from homing.simulator.spec import Spec


def value(record: object, path: str) -> float:
    for name in path.split("."):
        record = getattr(record, name)
    return record  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(30))
def test_every_number_is_in_its_range_and_every_world_has_each_kind_of_domain_value(seed: int) -> None:
    spec = draw_spec(seed)
    for chosen in PEOPLE:
        assert chosen.low <= value(spec, chosen.path) <= chosen.high
    for chosen in MECHANISMS:
        assert chosen.low <= value(spec.mechanisms, chosen.path) <= chosen.high
    for domain in spec.domains:
        for chosen in DOMAIN:
            assert chosen.low <= value(domain, chosen.path) <= chosen.high
    beliefs = {domain.generator.belief for domain in spec.domains}
    assert {"informative", "loudness", "noise"} <= beliefs
    assert isinstance(spec.mechanisms.drift.sudden_day, int)
    assert isinstance(spec.domains[0].messages, int)


def test_a_seed_is_a_world_and_another_seed_another() -> None:
    assert draw_spec(7) == draw_spec(7) == world_spec("family:7")
    assert draw_spec(7) != draw_spec(8)
    assert world_maker("family:7")(Setup(50, 2)).vocabularies.domains.names[0] == "domain_a"


def test_every_switch_is_drawn_both_ways() -> None:
    specs = [draw_spec(seed) for seed in range(60)]
    for switch in (*SWITCHES, "drift.on"):
        share = np.mean([value(spec.mechanisms, switch) for spec in specs])
        assert 0.2 < share < 1, switch


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 3, 11])
def test_worlds_keep_to_what_is_published(seed: int) -> None:
    found = moments(draw_spec(seed), Setup(1500, 14, seed=seed))
    assert found["push_opens"].meets(0.01, 0.14)
    assert found["email_opt_outs"].meets(0.001, 0.003)
    assert found["push_opted_in"].meets(0.4, 0.6)
    assert found["in_app_over_push"].meets(2.0, 20.0)


@pytest.mark.parametrize("name", ["family:", "family:-1", "family:x", "family:1.5", "family:²"])
def test_a_seed_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="such as family:7"):
        world_maker(name)


def test_unknown_worlds_name_the_nearest() -> None:
    assert family_seed("family:007") == 7
    with pytest.raises(InputError, match=r"family:SEED.*learning"):
        world_maker("lerning")
    with pytest.raises(InputError, match=r"family:SEED.*news"):
        world_spec("newz")


def test_assign_reaches_deep_and_refuses_fields_that_are_not_there() -> None:
    spec = draw_spec(1)
    changed = assign(spec, "mechanisms.drift.sudden_day", 12.4)
    assert changed.mechanisms.drift.sudden_day == 12
    assert spec.mechanisms.drift.sudden_day != 12 or spec == changed
    for path in ("people.shoe_size", "people.intensity.more"):
        with pytest.raises(InputError, match="no field"):
            assign(spec, path, 1.0)


def test_impossible_specs_are_refused_all_at_once() -> None:
    with pytest.raises(InputError, match=r"topics == .*domains == \[\].*opportunities == 0"):
        Spec(name="none", topics=("one",), domains=(), opportunities=0)
    for path, bad, rule in (
        ("people.correlation", 1.0, "correlation == 1.0"),
        ("people.intensity", 0.0, "intensity"),
        ("people.rhythms", (1.0,), "rhythms"),
    ):
        with pytest.raises(InputError, match=rule):
            assign(draw_spec(1), path, bad)
    spec = draw_spec(1)
    broken = (assign(spec.domains[0], "quality", 1.5), *spec.domains[1:])
    with pytest.raises(InputError, match=r"domains.domain_a.quality == 1.5, must be in \[0, 1\]"):
        assign(spec, "domains", broken)
