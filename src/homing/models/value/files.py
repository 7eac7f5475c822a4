"""A value model as one file: weights as safetensors, with the network's shape and the horizons."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from homing.models.value.model import ValueModel
from homing.models.value.network import NetworkShape, ValueNetwork
from homing.schema.errors import InputError

_FORMAT: Final = "homing value model 1"


def save_values(model: ValueModel, path: Path) -> None:
    """Write the model to a file, which is replaced where it exists. Equal models give equal files."""
    facts = {"shape": dataclasses.asdict(model.network.shape), "horizons": model.horizons.tolist()}
    weights = {name: value.cpu().contiguous() for name, value in model.network.state_dict().items()}
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(weights, aside, {_FORMAT: json.dumps(facts)})  # several entries have no order
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def load_values(path: Path, device: str = "cpu") -> ValueModel:
    """Return what `save_values` wrote.

    Args:
        path: of the file.
        device: of PyTorch.

    Raises:
        InputError: the file is missing, damaged, or of another kind.
    """
    try:
        with safe_open(path, "pt", device) as file:
            facts = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dictionary
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as a value model: {error}; fit it again") from error
    if _FORMAT not in facts:
        raise InputError(f"{path} has formats {sorted(facts)}, must have {_FORMAT!r}; fit it again")
    own = json.loads(facts[_FORMAT])
    shape = own["shape"]
    network = ValueNetwork(NetworkShape(**{**shape, "hidden": tuple(shape["hidden"])}))
    network.load_state_dict(weights)
    return ValueModel(network.to(device), np.array(own["horizons"]))
