import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from homing.schema import Config, InputError, parse_config
from homing.schema.budgets import Budget
from homing.schema.reference import (
    as_toml,
    configuration_markdown,
    contract_markdown,
    default_toml,
    keys,
)
from homing.schema.tables import TABLES


def leaves(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("config", [None, Config()])
def test_every_key_has_a_meaning_that_is_a_sentence(config: Config | None) -> None:
    for key in keys(config):
        assert key.meaning, key.name
        assert key.meaning.endswith((".", "`")), key.name
        assert key.default, key.name


def test_no_key_is_left_out() -> None:
    every = set(leaves(Config().model_dump(mode="json"))) - {"budgets"}
    every |= {"costs.channels", "costs.messages"}  # empty tables have no leaves
    every |= {f"budgets.NAME.{name}" for name in Budget.model_fields}  # and of budgets there are none
    assert {key.name for key in keys(Config())} == every


def test_budgets_are_told_by_their_names_and_written_as_an_array_of_tables() -> None:
    config = parse_config({"budgets": [{"name": "a", "max": 1}, {"name": "b", "min": 2, "channel": "push"}]})
    told = {key.name: key.current for key in keys(config, "budgets")}
    assert (told["budgets.a.max"], told["budgets.b.channel"]) == ("1.0", '["push"]')
    assert parse_config(tomllib.loads(default_toml(config))) == config
    assert "## `[[budgets.NAME]]`" not in configuration_markdown()
    assert "## `[[budgets]]`" in configuration_markdown()


def test_a_prefix_takes_a_section_and_only_that() -> None:
    names = [key.name for key in keys(Config(), "channels.push")]
    assert names == [f"channels.push.{name}" for name in ("quiet_hours", "caps", "spacing", "slots")]
    assert [key.name for key in keys(None, "slots.length")] == ["slots.length"]
    assert all(key.name.startswith("slots.") for key in keys(None, "slots"))


def test_a_prefix_that_is_no_key_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'trainig' is not a key of homing.toml; did you mean 'training'\?"):
        keys(None, "trainig")


def test_current_values_stand_beside_defaults() -> None:
    (key,) = keys(parse_config({"training": {"epochs": 3}}), "training.epochs")
    assert (key.default, key.current) == ("8", "3")
    assert keys(None, "training.epochs")[0].current is None


def test_what_must_be_given_says_so() -> None:
    (key,) = keys(None, "objectives.NAME.event")
    assert key.default == "(must be given)"


@pytest.mark.parametrize(
    "value",
    [True, False, 3, 0.002, 1e-9, 'a "quoted" one\\', "tab\there", ["a", "b"], {"max": 1, "per": "1d"}, []],
)
def test_values_are_written_as_toml_reads_them(value: Any) -> None:
    assert tomllib.loads(f"x = {as_toml(value)}")["x"] == value


def test_the_references_tell_every_key_and_every_column() -> None:
    configuration, contract = configuration_markdown(), contract_markdown()
    for key in keys():
        assert f"| `{key.name.rpartition('.')[2]}` |" in configuration
        section = key.name.rpartition(".")[0].replace("budgets.NAME", "[budgets]")
        assert f"## `[{section}]`" in configuration
    for table in TABLES.values():
        section = contract.split(f"## {table.name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `([^`]+)`", section, re.M)[: len(table.columns)] == [
            column.name for column in table.columns
        ]
        assert ("`x_*`" in section) == table.features


def test_cells_of_a_table_hold_no_bare_bar() -> None:
    for line in (*configuration_markdown().splitlines(), *contract_markdown().splitlines()):
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (4, 5), line
