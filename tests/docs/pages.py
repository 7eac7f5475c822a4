"""Markdown pages as blocks of code to run.

A comment right before a block says what is special about it: `not run: REASON`, or `exit status N`. A
block of `text` right after one of code is what that prints, white space aside; `...` stands for anything.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import run_homing

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NOTE = re.compile(r"<!-- (not run: .+|exit status \d+) -->\s*$")
_PLAIN = {"COLUMNS": "120", "NO_COLOR": "1"}
_KINDS = {"bash", "python", "text", "toml", "json", ""}


@dataclass(frozen=True)
class Block:
    """One block of code of a page."""

    kind: str
    text: str
    line: int
    skip: bool
    status: int  # that a bash block has to exit with
    printed: str | None  # what it has to print


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that are to be run, in order."""
    text = page.read_text("utf-8")
    found: list[Block] = []
    fences = list(_FENCE.finditer(text))
    assert len(re.findall("^```", text, re.MULTILINE)) == 2 * len(fences), f"{page}: a block is not closed"
    for place, fence in enumerate(fences):
        kind, code = fence.groups()
        assert kind in _KINDS, f"{page}: a block of {kind!r} would never be run"
        note = _NOTE.search(text[: fence.start()])
        word = note[1] if note else ""
        after = fences[place + 1] if place + 1 < len(fences) else None
        near = after is not None and not text[fence.end() : after.start()].strip()
        if kind in ("bash", "python"):
            found.append(
                Block(
                    kind=kind,
                    text=code,
                    line=text[: fence.start()].count("\n") + 2,
                    skip=word.startswith("not run"),
                    status=int(word.split()[-1]) if word.startswith("exit") else 0,
                    printed=after[2] if after is not None and near and after[1] == "text" else None,
                )
            )
    return found


def run(page: Path, folder: Path, shells: bool = False) -> int:
    """Run a page's blocks in `folder`, which has to be the current one; return how many were run.

    All python blocks of a page share one namespace. A bash block is a shell of its own, but where it has
    plain `homing` commands alone, which run in this process: a new one takes seconds to import. With
    `shells` these are run as a user would, too.
    """
    names: dict[str, Any] = {"__name__": page.stem}
    count = 0
    for block in blocks(page):
        if block.skip:
            continue
        count += 1
        if block.kind == "python":
            # line numbers of tracebacks are those of the page
            source = "\n" * (block.line - 1) + block.text
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(source, str(page), "exec", dont_inherit=True), names)
            _compare(page, block, printed.getvalue())
        else:
            commands = None if shells else plain_commands(block.text)
            status, printed = _shell(block, folder) if commands is None else _here(commands)
            assert status == block.status, f"{page.name}:{block.line} exited with {status}:\n{printed}"
            _compare(page, block, printed)
    return count


def plain_commands(text: str) -> list[list[str]] | None:
    """Return the arguments of a block's `homing` commands; None if it has anything else for a shell to do."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        command = line.partition(" #")[0].strip()
        if not command:
            continue
        if not command.startswith("homing ") or re.search(r"[$`|&;<>()*?\[\]{}~!]", command):
            return None
        found.append(shlex.split(command)[1:])
    return found


def _here(commands: list[list[str]]) -> tuple[int, str]:
    """Return the status of the first command that fails, or 0, and what all until then print."""
    printed = ""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _PLAIN.items():
            patch.setenv(name, value)
        for arguments in commands:
            ran = run_homing(*arguments)
            printed += ran.both
            if ran.status:
                return ran.status, printed
    return 0, printed


def _shell(block: Block, folder: Path) -> tuple[int, str]:
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=os.environ | {"PATH": bin_folder + os.pathsep + os.environ["PATH"]} | _PLAIN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _compare(page: Path, block: Block, printed: str) -> None:
    if block.printed is not None:
        pattern = ".*".join(_loose(part) for part in block.printed.split("..."))
        assert re.fullmatch(pattern, printed, re.DOTALL), (
            f"{page.name}:{block.line} is said to print\n{block.printed}\nand prints\n{printed}"
        )


def _loose(text: str) -> str:
    return r"\s*" + r"\s+".join(re.escape(word) for word in text.split()) + r"\s*"
