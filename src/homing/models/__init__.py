"""Response models: what a candidate does to every objective, calibrated. The only home of PyTorch.

PyTorch takes a second or two to import, so names are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.models.fit import fit_response
    from homing.models.heads import Head
    from homing.models.long_term import LongTermModel, load_value_model
    from homing.models.response import ResponseModel
    from homing.models.summary import TrainingSummary

__all__ = ["Head", "LongTermModel", "ResponseModel", "TrainingSummary", "fit_response", "load_value_model"]

_HOMES = {
    "Head": "heads",
    "LongTermModel": "long_term",
    "ResponseModel": "response",
    "TrainingSummary": "summary",
    "fit_response": "fit",
    "load_value_model": "long_term",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'homing.models' has no attribute {name!r}")
    return getattr(import_module(f"homing.models.{_HOMES[name]}"), name)
