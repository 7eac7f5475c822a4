from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from homing.models.value import FittedQ, Logged, ValueModel, ValueSettings, load_values, save_values
from homing.models.value.fit import new_network
from homing.schema import InputError

from .logs import EVERY, messaging


def a_model() -> ValueModel:
    horizons = np.array([2.5, 0.0])
    settings = ValueSettings(hidden=(8,), members=2)
    network = new_network(FittedQ(Logged()), messaging(20, 5), horizons, settings)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(generator=draw)
    return ValueModel(network, horizons)


def test_a_file_gives_the_same_values(tmp_path: Path) -> None:
    model = a_model()
    for name in ("one", "two", "two"):
        save_values(model, tmp_path / name)
    again = load_values(tmp_path / "one")
    assert (again.horizons == model.horizons).all()
    for one, other in zip(model.values(**EVERY), again.values(**EVERY), strict=True):
        assert (one == other).all()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_files_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a value model"):
        load_values(tmp_path / "missing")
    (tmp_path / "damaged").write_bytes(b"1234567890")
    with pytest.raises(InputError, match="cannot be read as a value model"):
        load_values(tmp_path / "damaged")
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(InputError, match=r"has formats \[\]"):
        load_values(tmp_path / "other")
