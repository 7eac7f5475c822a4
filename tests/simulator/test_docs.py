import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from homing.simulator import Mechanisms

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def test_the_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    exec(blocks[0], names)
    assert (names["events"]["type"] == "delivered").sum() == len(names["who"]) > 100


def test_every_switch_is_on_the_page() -> None:
    page = PAGE.read_text()
    mechanisms = Mechanisms()
    for field in fields(mechanisms):
        if hasattr(getattr(mechanisms, field.name), "on"):
            assert f"`{field.name}.on`" in page
    for name in ("opening.relevance_on", "affinity_on", "moment_on", "conversion.delayed_on"):
        assert f"`{name}`" in page
