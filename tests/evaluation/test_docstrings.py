"""Every estimator says what it computes and who proposed it."""

import inspect
import re

import pytest

from homing import evaluation
from homing.evaluation import sequential

#: Read off the log: nobody's proposal.
PLAIN = {"on_policy", "importance_weights", "bandwidth_grid", "shrinkage_grid", "choices", "first_steps"}
PLAIN |= {"predictions", "trajectories", "overlap_by_step", "ridge", "tabular", "shrink"}


def estimators() -> list[str]:
    return [
        name
        for module in (evaluation, sequential)
        for name in module.__all__
        if inspect.isfunction(found := getattr(module, name))
        and re.match(r"homing\.evaluation\.(estimators|sequential)\.", found.__module__)
        and name not in PLAIN
    ]


@pytest.mark.parametrize("name", estimators())
def test_an_estimator_has_its_source(name: str) -> None:
    function = getattr(evaluation, name, None) or getattr(sequential, name)
    text = inspect.getdoc(function)
    assert text is not None
    assert re.search(r"\b(19|20)\d\d\b", text), f"{name} names no paper"


def test_the_list_is_not_empty() -> None:
    assert len(estimators()) > 30
