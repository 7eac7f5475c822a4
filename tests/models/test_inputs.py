from __future__ import annotations

import numpy as np
import torch

from homing.models.inputs import ColumnReader, ColumnScale, measure_columns


def scale_of(
    centre: list[float], width: list[float], mean: list[float], deviation: list[float], flagged: list[int]
) -> ColumnScale:
    """Return a scale without edges."""
    edge = np.full(len(centre), np.inf, np.float32)
    columns = (np.array(values, np.float32) for values in (centre, width, mean, deviation))
    return ColumnScale(*columns, -edge, edge, np.array(flagged))


def read(scale: ColumnScale, values: list[list[float]]) -> np.ndarray:
    return ColumnReader(scale, torch.device("cpu"))(torch.tensor(values)).numpy()


def test_columns_are_scaled_as_the_scale_says() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(200, 2)) * 10.0 ** rng.integers(-6, 30, (200, 2))).astype(np.float32)
    scale = scale_of([0.5, -2], [2, 0.1], [0.2, 0], [1, 3], [1])
    exact = (np.arcsinh((values.astype(np.float64) - [0.5, -2]) / [2, 0.1]) - [0.2, 0]) / [1, 3]
    found = ColumnReader(scale, torch.device("cpu"))(torch.from_numpy(values))
    np.testing.assert_allclose(found[:, :2], exact, rtol=1e-5, atol=1e-6)
    assert (found[:, 2] == 0).all()


def test_what_is_not_a_number_is_the_mean_and_flagged() -> None:
    scale = scale_of([1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 2])
    found = read(scale, [[np.nan, np.inf, -np.inf], [1, np.nan, 1]])
    assert found.tolist() == [[0, 0, 0, 1, 1], [-1, 0, -1, 0, 0]]


def test_what_training_never_saw_counts_as_the_edge_of_what_it_saw() -> None:
    values = np.column_stack([np.linspace(-1, 1, 1_001), np.full(1_001, 4.0), np.arange(1_001) == 0])
    scale = measure_columns(values.astype(np.float32))
    least, seen, most = read(scale, [[-1e6, -5, -5], [0.9, 4, 0], [1e6, 5, 1]])
    assert least[0] == scale.low[0] > -3
    assert most[0] == scale.high[0] > seen[0]
    assert least[1] == most[1] == 0  # it never varied
    assert most[2] == 3  # a single value in a thousand: no further than the limit
