from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from homing.report import Facts, write_report
from homing.report.page import render
from homing.schema import InputError

from . import examples


def test_writes_the_page_and_the_same_facts(tmp_path: Path) -> None:
    facts = examples.bare()
    page, beside = write_report(facts, tmp_path / "runs" / "report.html")
    assert page.read_text("utf-8") == render(facts)
    assert Facts.from_dict(json.loads(beside.read_text("utf-8"))) == facts
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json"]


def test_a_page_that_cannot_be_made_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    write_report(examples.bare(), path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="cannot be written: no space"):
        write_report(examples.bare(), path)
    assert path.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_the_facts_do_not_overwrite_the_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must not end in \.json"):
        write_report(examples.bare(), tmp_path / "report.json")


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "report.html"):
        with pytest.raises(InputError, match=r"cannot be written: .+; name a file"):
            write_report(examples.bare(), path)


def test_importing_loads_no_plots() -> None:
    code = "import sys, homing.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )
