"""The pages of docs/reference, from the code that they describe.

python -m tests.docs.references
"""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from homing.app.cli import app
from homing.schema.reference import configuration_markdown, contract_markdown

from .pages import ROOT

FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    return {
        "cli.md": cli_markdown(),
        "configuration.md": configuration_markdown(),
        "data-contract.md": contract_markdown(),
    }


def cli_markdown() -> str:
    """Return every command with its arguments and options as Markdown."""
    lines = [
        "# Command line",
        "",
        "Generated from the commands themselves; `homing COMMAND --help` says the same. Errors that Homing",
        "raises on purpose are one line on standard error and exit status 2.",
    ]
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for names, command in commands(root, "homing"):
        arguments = [param for param in command.params if isinstance(param, TyperArgument)]
        options = [param for param in command.params if isinstance(param, TyperOption)]
        needed = [f"{param.opts[0]} {_metavar(param)}" for param in options if param.required]
        usage = [names, *needed, *("[OPTIONS]" for _ in options[:1]), *map(_metavar, arguments)]
        lines += ["", f"## `{names}`", "", command.help or "", "", "```text", " ".join(usage), "```"]
        if command.params:
            lines += ["", "| | meaning | default |", "|---|---|---|"]
        for param in command.params:
            assert isinstance(param, TyperArgument | TyperOption)
            shown = _metavar(param) if param in arguments else ", ".join(param.opts)
            lines.append(f"| `{shown}` | {param.help} | {_default(param)} |")
    return "\n".join(lines) + "\n"


def commands(group: TyperGroup, prefix: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Yield every command below `group` with its full name."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{prefix} {name}")
        else:
            assert isinstance(command, typer.core.TyperCommand)
            yield f"{prefix} {name}", command


def _metavar(param: TyperArgument | TyperOption) -> str:
    word = (param.name or "").upper()
    word = f"{word}..." if param.nargs == -1 else word
    return word if param.required else f"[{word}]"


def _default(param: TyperArgument | TyperOption) -> str:
    if param.required:
        return "must be given"
    given = param.default is not None and param.default is not False and param.default != ""
    return f"`{param.default}`" if given else ""


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for page, text in pages().items():
        (FOLDER / page).write_text(text, "utf-8")
