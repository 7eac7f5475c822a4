"""Value models: what a candidate does to the long term, one value an objective, learned from transitions.

PyTorch takes a second or two to import, so names are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.models.value.algorithms import ConservativeQ, FittedQ, ImplicitQ
    from homing.models.value.batches import InMemory, Streamed
    from homing.models.value.encoding import Encoding
    from homing.models.value.files import load_values, save_values
    from homing.models.value.fit import fit_values, improve
    from homing.models.value.learner import Learner
    from homing.models.value.mapped import mapped_parts, open_transitions, save_transitions
    from homing.models.value.model import ValueModel
    from homing.models.value.policies import Given, Logged, Sampled, Softmax
    from homing.models.value.settings import ValueSettings
    from homing.models.value.transitions import (
        ABSORBED,
        CUT,
        Transitions,
        horizon_of,
        make_transitions,
    )

__all__ = [
    "ABSORBED",
    "CUT",
    "ConservativeQ",
    "Encoding",
    "FittedQ",
    "Given",
    "ImplicitQ",
    "InMemory",
    "Learner",
    "Logged",
    "Sampled",
    "Softmax",
    "Streamed",
    "Transitions",
    "ValueModel",
    "ValueSettings",
    "fit_values",
    "horizon_of",
    "improve",
    "load_values",
    "make_transitions",
    "mapped_parts",
    "open_transitions",
    "save_transitions",
    "save_values",
]

_HOMES = {
    "ABSORBED": "transitions",
    "CUT": "transitions",
    "ConservativeQ": "algorithms",
    "Encoding": "encoding",
    "FittedQ": "algorithms",
    "Given": "policies",
    "ImplicitQ": "algorithms",
    "InMemory": "batches",
    "Learner": "learner",
    "Logged": "policies",
    "Sampled": "policies",
    "Softmax": "policies",
    "Streamed": "batches",
    "Transitions": "transitions",
    "ValueModel": "model",
    "ValueSettings": "settings",
    "fit_values": "fit",
    "horizon_of": "transitions",
    "improve": "fit",
    "load_values": "files",
    "make_transitions": "transitions",
    "mapped_parts": "mapped",
    "open_transitions": "mapped",
    "save_transitions": "mapped",
    "save_values": "files",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'homing.models.value' has no attribute {name!r}")
    return getattr(import_module(f"homing.models.value.{_HOMES[name]}"), name)
