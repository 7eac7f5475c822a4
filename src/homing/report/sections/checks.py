"""The quality checks of an experiment or a holdout, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from homing.report.experiment import CheckFacts
from homing.report.numbers import MINUS
from homing.report.view import Cell, Table, number_cell


def checks_table(checks: Sequence[CheckFacts]) -> Table:
    """Return one row a check; those that do not stop the reading are marked as cautions."""
    rows = tuple(
        (
            Cell(check.name, detail="" if check.blocking else "caution"),
            _passed(check),
            number_cell(check.p_value),
            Cell(check.detail.replace(" -", f" {MINUS}")),
        )
        for check in checks
    )
    return Table(("Check", "Passed", "p", "What was seen"), rows)


def _passed(check: CheckFacts) -> Cell:
    if check.passed:
        return Cell("yes", chip="good")
    return Cell("no" if isfinite(check.p_value) else "not known", chip="bad" if check.blocking else "doubt")
