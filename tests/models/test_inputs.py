from __future__ import annotations

import numpy as np
import torch

from homing.models.inputs import ColumnReader, ColumnScale


def test_columns_are_scaled_as_the_scale_says() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(200, 2)) * 10.0 ** rng.integers(-6, 30, (200, 2))).astype(np.float32)
    scale = ColumnScale(
        centre=np.array([0.5, -2], np.float32),
        width=np.array([2, 0.1], np.float32),
        mean=np.array([0.2, 0], np.float32),
        deviation=np.array([1, 3], np.float32),
        flagged=np.array([1]),
    )
    exact = (np.arcsinh((values.astype(np.float64) - [0.5, -2]) / [2, 0.1]) - [0.2, 0]) / [1, 3]
    found = ColumnReader(scale, torch.device("cpu"))(torch.from_numpy(values))
    np.testing.assert_allclose(found[:, :2], exact, rtol=1e-5, atol=1e-6)
    assert (found[:, 2] == 0).all()


def test_what_is_not_a_number_is_the_mean_and_flagged() -> None:
    ones = np.ones(3, np.float32)
    scale = ColumnScale(ones, ones, ones, ones, np.array([0, 2]))
    values = torch.tensor([[np.nan, np.inf, -np.inf], [1, np.nan, 1]], dtype=torch.float32)
    found = ColumnReader(scale, torch.device("cpu"))(values)
    assert found.tolist() == [[0, 0, 0, 1, 1], [-1, 0, -1, 0, 0]]
