from itertools import pairwise
from typing import Any

import pytest

from homing.lifecycle.experiment.periods import divided
from homing.schema.times import parse_time


@pytest.mark.parametrize(
    ("start", "until", "every", "want"),
    [
        ("2025-11-16", "2026-04-01", "quarter", [("2025 Q4", 46 / 92), ("2026 Q1", 1.0)]),
        ("2026-01-01", "2026-01-02", "quarter", [("2026 Q1", 1 / 90)]),
        ("2025-12-31", "2026-02-15", "month", [("2025-12", 1 / 31), ("2026-01", 1.0), ("2026-02", 0.5)]),
    ],
)
def test_time_is_divided_by_the_calendar(start: str, until: str, every: Any, want: list[Any]) -> None:
    found = divided(parse_time(f"{start}T00:00Z"), parse_time(f"{until}T00:00Z"), every)
    assert [(each.label, pytest.approx(each.length)) for each in found] == want
    assert all(one.end == two.start for one, two in pairwise(found))
