import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.schema import Config, ConfigError, load_config, parse_config
from homing.schema.config import Objective
from homing.schema.reference import default_toml


def problems(toml: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(tomllib.loads(toml))
    return caught.value.problems


@pytest.mark.parametrize(
    ("toml", "name", "wanted"),
    [
        ("[worksapce]", "worksapce", "workspace"),
        ("[training]\nepocs = 3", "training.epocs", "epochs"),
        ("[channels.push]\nquiet_hour = []", "channels.push.quiet_hour", "quiet_hours"),
        ('[channels.push]\ncaps = [{ mx = 1, per = "1d" }]', "channels.push.caps.0.mx", "max"),
        ('[objectives.x]\nevent = "converted"\nwindwo = "3d"', "objectives.x.windwo", "window"),
        ("[exploration]\nfloors = 0.1", "exploration.floors", "floor"),
    ],
)
def test_a_typo_names_the_nearest_key(toml: str, name: str, wanted: str) -> None:
    found = [line for line in problems(toml) if line.startswith(f"{name} is not a key")]
    assert len(found) == 1
    assert f"did you mean {wanted!r}?" in found[0]
    assert "homing config explain" in found[0]


def test_a_key_like_no_other_has_no_suggestion() -> None:
    (line,) = problems("[training]\nqqqqqq = 1")
    assert "did you mean" not in line
    assert "homing config explain training" in line


def test_all_problems_come_at_once() -> None:
    found = problems(
        """
        [training]
        epochs = 0
        dropout = 1.5
        speed = 1
        [workspace]
        timezone = "Europe/Stokholm"
        salt = ""
        [channels.push]
        quiet_hours = ["25:00", "08:00"]
        """
    )
    for name in ("epochs", "dropout", "speed"):
        assert any(line.startswith(f"training.{name}") for line in found)
    assert any("did you mean 'Europe/Stockholm'?" in line for line in found)
    assert any(line.startswith("workspace.salt == ''") for line in found)
    assert any("'25:00' is not a clock time" in line for line in found)
    assert len(found) == 6


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[training]\ncalibration_share = 0.5\ntest_share = 0.5", "calibration_share + test_share == 1"),
        ("[exploration]\ntemperature = 0.0", "temperature == 0.0, must be a number over 0 or 'auto'"),
        ("[exploration]\ntemperature = inf", "temperature == inf, must be a number over 0"),
        ("[exploration]\ntemperature = true", "temperature == True"),
        ('[exploration]\ntemperature = "warm"', "exploration.temperature: temperature == 'warm', must be"),
        ('[channels.push]\nquiet_hours = ["22:00"]', "quiet_hours == ['22:00'], must be [] or [from, until]"),
        ('[channels.push]\nquiet_hours = ["22:00", "22:00"]', "channels.push.quiet_hours"),
        ('[channels.push]\nslots = ["12:00", "09:00"]', "channels.push.slots == ['12:00', '09:00']"),
        ("[channels.push]\nslots = []", "channels.push.slots == []"),
        ('[slots]\nstarts = ["09:00", "09:00"]', "slots.starts == ['09:00', '09:00']"),
        ('[slots]\nlength = "0s"', "slots.length == '0s', must be over 0"),
        ('[slots]\nlength = "25h"', "slots.length == '25h', must be over 0 and at most 1d"),
        ('[slots]\nhorizon = "0d"', "slots.horizon == '0d', must be over 0"),
        ('[evaluation]\njourney = "0d"', "journey == '0d', must be over 0"),
        ('[objectives.a]\nevent = "convertd"', "did you mean 'converted'?"),
        ('[objectives.a]\nevent = "zzz"', "declare it in events.types"),
        ('[state]\nrhythm = "walks"', "state.rhythm == 'walks' is no event type"),
        ("[objectives.a]\nweight = 1", "objectives.a.event"),
        ('[limits]\nspacing = "soon"', "'soon' is not a duration"),
        ('[events]\ncomplete_until = "yesterday"', "'yesterday' is not a time"),
        ("[exploration]\nfloor = nan", "exploration.floor"),
        ("[evaluation]\nconfidence = 1.0", "evaluation.confidence == 1.0"),
        ('[channels.push]\ncaps = [{ max = -1, per = "1d" }]', "channels.push.caps.0.max == -1"),
        ("channels = {}", "channels == {}"),
        ("objectives = {}", "objectives == {}"),
    ],
)
def test_every_rule_is_told_with_its_value(toml: str, says: str) -> None:
    found = problems(toml)
    assert len(found) == 1
    assert says in found[0]


def test_an_event_type_of_the_workspace_can_be_an_objective() -> None:
    config = parse_config({"events": {"types": ["visit"]}, "objectives": {"a": {"event": "visit"}}})
    assert config.event_types[-1] == "visit"
    assert config.event_types.index("converted") == 5


def test_a_declared_type_that_is_known_already_keeps_its_code() -> None:
    assert parse_config({"events": {"types": ["converted", "visit"]}}).event_types.count("converted") == 1


def test_the_sign_of_a_weight_is_its_direction() -> None:
    up, down = (Objective(event="converted", direction=way, weight=3.0) for way in ("up", "down"))
    assert (up.signed_weight, down.signed_weight) == (3.0, -3.0)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().training.epochs = 3  # type: ignore[misc]


def test_the_default_file_is_the_default() -> None:
    assert parse_config(tomllib.loads(default_toml())) == Config()


@given(
    epochs=st.integers(1, 50),
    salt=st.text(min_size=1, max_size=8),
    hidden=st.lists(st.integers(1, 512), min_size=1, max_size=3),
    weight=st.floats(0, 1e6, allow_nan=False),
    temperature=st.one_of(st.just("auto"), st.floats(1e-6, 10)),
    cap=st.integers(0, 9),
    guardrail=st.one_of(st.none(), st.floats(-1, 1)),
)
def test_any_configuration_is_read_back_as_it_was_written(
    epochs: int, salt: str, hidden: list[int], weight: float, temperature: Any, cap: int, guardrail: float
) -> None:
    config = parse_config(
        {
            "workspace": {"salt": salt},
            "training": {"epochs": epochs, "hidden": hidden},
            "exploration": {"temperature": temperature},
            "channels": {"sms": {"caps": [{"max": cap, "per": "1d"}], "slots": ["07:30"]}},
            "objectives": {"sales": {"event": "converted", "weight": weight, "guardrail": guardrail}},
        }
    )
    assert parse_config(tomllib.loads(default_toml(config))) == config


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "homing.toml"
    with pytest.raises(ConfigError, match="homing init"):
        load_config(path)
    path.write_text("[training\nepochs = 3")
    with pytest.raises(ConfigError, match=r"homing\.toml: is not TOML: .*line 1"):
        load_config(path)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path)
    path.write_text("[training]\nepochs = 3")
    assert load_config(path).training.epochs == 3


def test_budgets_take_one_name_or_a_list_and_come_back_the_same() -> None:
    budgets = [
        {"name": "push", "channel": "push", "max": 10},
        {"name": "some", "message": ["a", "b"], "slot": "09:00", "min": 1.5, "per": "7d"},
        {"name": "money", "counts": "cost", "max": 3},
        {"name": "opt-outs", "counts": "objective:reachability", "max": 2},
    ]
    config = parse_config({"budgets": budgets, "costs": {"channels": {"email": 0.1}}})
    assert config.budgets[0].channel == ("push",)
    assert config.budgets[1].message == ("a", "b")
    assert [budget.objective for budget in config.budgets] == [None, None, None, "reachability"]
    assert [budget.unit for budget in config.budgets] == ["send", "send", "unit of cost", "reachability"]
    assert parse_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        ({}, "has neither max nor min; give at least one"),
        ({"min": 3, "max": 2}, "min == 3 and max == 2, must be min <= max"),
        ({"max": -1}, "greater than or equal to 0"),
        ({"max": 1, "counts": "openings"}, "must be 'sends', 'cost' or 'objective:NAME'"),
        ({"max": 1, "counts": "objective:retenton"}, "is no objective; did you mean 'retention'"),
        ({"max": 1, "counts": "cost"}, "but nothing costs; set"),
        ({"max": 1, "channel": "pusch"}, "is no channel; did you mean 'push'"),
        ({"max": 1, "slot": "09:01"}, "must be a start of its channels' slots"),
        ({"max": 1, "message": []}, "names nothing; leave the key out to mean any"),
        ({"max": 1, "per": "0s"}, "per == '0s', must be over 0"),
        ({"max": 1, "name": "a=b"}, "pattern"),
        ({"max": 1, "chanel": "push"}, "is not a key; did you mean 'channel'"),
    ],
)
def test_a_budget_that_cannot_be_says_why(budget: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        parse_config({"budgets": [{"name": "b", **budget}]})


def test_two_budgets_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match="2 have name == 'b', must differ"):
        parse_config({"budgets": [{"name": "b", "max": 1}, {"name": "b", "max": 2}]})
