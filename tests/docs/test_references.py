import pytest
import typer
from typer.core import TyperGroup

from homing.app.cli import app

from .references import FOLDER, commands, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_page_says_what_the_code_says(name: str) -> None:
    page = FOLDER / name
    assert page.is_file() and page.read_text("utf-8") == pages()[name], (
        f"docs/reference/{name} is not what the code says; run 'python -m tests.docs.references'"
    )


def test_every_option_has_a_meaning() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    found = list(commands(root, "homing"))
    assert len(found) >= 12
    for name, command in found:
        assert command.help, f"{name} does not say what it does"
        for param in command.params:
            assert getattr(param, "help", None), f"{name}: {param.name} does not say what it means"
