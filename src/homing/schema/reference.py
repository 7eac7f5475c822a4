"""The configuration and the data contract as rows to print: for the command line and for the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, get_args

from pydantic import BaseModel

from homing.schema.config import Config
from homing.schema.errors import InputError, nearest
from homing.schema.experiment import Design
from homing.schema.tables import TABLES, Table

_BUDGETS: Final = "budgets"  # an array of tables: each is [[budgets]], and keeps its name in a key


@dataclass(frozen=True)
class Key:
    """One key of `homing.toml`."""

    name: str
    meaning: str
    default: str
    current: str | None  # None in the documentation, where there is no workspace


def keys(config: Config | None = None, prefix: str = "") -> list[Key]:
    """Return every key under `prefix` with its meaning, default and current value.

    Tables with names of the user's own, such as `channels.push`, appear once per name in `config`, or
    as `channels.NAME` without one; so do arrays of tables, such as `budgets`, by what each is called.

    Raises:
        InputError: no key starts with `prefix`.
    """
    return _under(prefix, list(_walk(Config, "", config)), "homing.toml")


def design_keys(prefix: str = "") -> list[Key]:
    """Return every key of an experiment's design under `prefix`, with its meaning and default.

    Raises:
        InputError: no key starts with `prefix`.
    """
    return _under(prefix, list(_walk(Design, "", None)), "a design")


def _under(prefix: str, every: list[Key], of: str) -> list[Key]:
    found = [key for key in every if key.name == prefix or key.name.startswith(f"{prefix}.") or not prefix]
    if not found:
        names = {part for key in every for part in (key.name, key.name.split(".")[0])}
        raise InputError(f"{prefix!r} is not a key of {of}{nearest(prefix, names)}")
    return found


def _walk(section: type[BaseModel], prefix: str, current: BaseModel | None) -> Iterator[Key]:
    for name, info in section.model_fields.items():
        here = f"{prefix}{name}"
        value = None if current is None else getattr(current, name)
        inner = _section_of(info.annotation)
        if not prefix and inner is not None and "tuple" in str(info.annotation):  # an array of tables
            value = {entry.name: entry for entry in value or ()}
        named = isinstance(value, dict) or (current is None and "dict" in str(info.annotation))
        if inner is not None and named:
            for label, entry in (value or {"NAME": None}).items():
                yield from _walk(inner, f"{here}.{label}.", entry)
        elif inner is not None and "tuple" not in str(info.annotation):
            yield from _walk(inner, f"{here}.", value)
        else:
            required = info.is_required()
            default = "(must be given)" if required else as_toml(info.get_default(call_default_factory=True))
            yield Key(here, info.description or "", default, None if current is None else as_toml(value))


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def as_toml(value: object) -> str:
    """Return a value as it is written in TOML; `(none)` where TOML has no word for it."""
    if value is None or isinstance(value, NoneType):
        return "(none)"
    if isinstance(value, BaseModel):
        return "{ " + ", ".join(f"{k} = {as_toml(v)}" for k, v in value) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {as_toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    # TOML has no escapes of half a character, and wants one for delete
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def default_toml(config: Config | None = None) -> str:
    """Return a commented `homing.toml` of the given configuration, by default the safe default."""
    config = config or Config()
    lines = ["# Homing workspace. Every key is optional; 'homing config explain' tells what each one means."]
    section = ""
    for key in keys(config):
        path, _, name = key.name.rpartition(".")
        if key.current is None:  # of a table of which there is none
            continue
        if path != section:
            section = path
            lines += ["", f"[[{_BUDGETS}]]" if path.startswith(f"{_BUDGETS}.") else f"[{section}]"]
        comment = "# " if key.current == "(none)" else ""
        value = key.default if key.current == "(none)" else key.current
        lines.append(f"{comment}{name} = {value}" if value != "(none)" else f"# {name} =")
    if not config.budgets:
        lines += ["", "# Limits that all users share, one table each: 'homing config explain budgets'."]
        lines += ["# [[budgets]]", '# name = "push"', '# channel = "push"', "# max = 10000", '# per = "1d"']
    return "\n".join(lines) + "\n"


def configuration_markdown() -> str:
    """Return the reference of `homing.toml` as Markdown."""
    lines = [
        "# Configuration",
        "",
        "Generated from `homing.schema.config`. Every key of `homing.toml` is optional, and a key that is",
        "not known is an error. `homing config explain` prints this table with the values of a workspace.",
    ]
    section = ""
    for key in keys():
        path, _, name = key.name.rpartition(".")
        if path != section:
            section = path
            shown = f"[{_BUDGETS}]" if path.startswith(f"{_BUDGETS}.") else path
            lines += ["", f"## `[{shown}]`", "", "| key | meaning | default |", "|---|---|---|"]
        lines.append(f"| `{name}` | {_cell(key.meaning)} | `{_cell(key.default)}` |")
    return "\n".join(lines) + "\n"


def contract_markdown() -> str:
    """Return the data contract as Markdown."""
    lines = [
        "# Data contract",
        "",
        "Generated from `homing.schema.tables`. Parquet at rest; CSV and NDJSON are accepted on ingest.",
        "Times are `timestamp[us, UTC]`; ids are strings or 64-bit integers. Columns whose names start with",
        "`x_` are features; any other column beyond those below is an error.",
    ]
    for table in TABLES.values():
        lines += ["", f"## {table.name}", "", table.meaning, "", *_contract_rows(table)]
    return "\n".join(lines) + "\n"


def _contract_rows(table: Table) -> Iterator[str]:
    yield "| column | type | must be given | meaning |"
    yield "|---|---|---|---|"
    for column in table.columns:
        known = f" (one of the {column.known_in})" if column.known_in else ""
        given = "yes" if column.required else "no"
        yield f"| `{column.name}` | {column.kind} | {given} | {_cell(column.meaning)}{known} |"
    if table.features:
        yield "| `x_*` | number, bool, string or fixed-size list of numbers | no | features |"
    if table.key:
        yield ""
        yield f"Key: `{', '.join(table.key)}`. " + (
            "The newest row wins." if table.newest_wins else "A row that comes twice counts once."
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
