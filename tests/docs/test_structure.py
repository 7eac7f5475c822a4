"""Pages that describe the code name what is there, and nothing that is not."""

import re
from pathlib import Path

import pytest

from .pages import ROOT

SOURCE = ROOT / "src" / "homing"
STRUCTURE = ROOT / "docs" / "structure.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_folder_is_named() -> None:
    named = set(re.findall(r"^- `([a-z_/]+)`:", STRUCTURE.read_text(), re.MULTILINE))
    files = [path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    there = {path.parent.relative_to(SOURCE).as_posix() for path in files} - {"."}
    assert named == there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for module in re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", text):
        assert (SOURCE / module).is_file() or (ROOT / module).is_file(), (
            f"{page.name} names {module}, which does not exist"
        )
    for dotted in re.findall(r"`homing((?:\.[a-z_]+)+)`", text):
        assert _exists(dotted[1:].split(".")), f"{page.name} names homing{dotted}, which does not exist"
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which does not exist"


def _exists(parts: list[str]) -> bool:
    """Whether they are a package, module or entry point group, or end in a name of their package."""
    path = SOURCE.joinpath(*parts)
    if path.is_dir() or path.with_suffix(".py").is_file() or parts == ["toml"]:
        return True
    if any(f'GROUP: Final = "homing.{".".join(parts)}"' in file.read_text() for file in SOURCE.rglob("*.py")):
        return True
    package = SOURCE.joinpath(*parts[:-1], "__init__.py")
    return package.is_file() and f'"{parts[-1]}"' in package.read_text()


def test_every_dependency_is_on_its_page() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    lists = re.findall(r"^(?:dependencies|gym|effects|dev) = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    declared = {name.lower() for text in lists for name in re.findall(r'"([A-Za-z0-9_-]+)', text)}
    declared.remove("homing")  # its own extras
    assert declared == set(re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)) - {"library"}


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
