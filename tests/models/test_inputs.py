from __future__ import annotations

import numpy as np
import torch

from homing.models.inputs import ColumnReader, ColumnScale, measure_columns


def scale_of(
    centre: list[float], width: list[float], mean: list[float], deviation: list[float], flagged: list[int]
) -> ColumnScale:
    """Return a scale without edges and ramps."""
    edge, none = np.full(len(centre), np.inf, np.float32), np.array([], np.float32)
    columns = (np.array(values, np.float32) for values in (centre, width, mean, deviation))
    places = np.array([], np.int64)
    return ColumnScale(*columns, -edge, edge, np.array(flagged), places, none, none, none, none)


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


def test_ramps_climb_from_quantile_to_quantile() -> None:
    column = np.repeat(np.array([0, 1, 2, 3], np.float32), 25)[:, None]
    scale = measure_columns(column, ramps=3)
    assert scale.ramped.tolist() == [0, 0, 0]
    assert scale.columns == 4
    climbed = read(scale, [[0.0], [1.0], [2.0], [3.0]])[:, 1:] * scale.ramp_deviation + scale.ramp_mean
    np.testing.assert_allclose(climbed, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], atol=1e-6)
    all_read = read(scale, column.tolist())[:, 1:]
    np.testing.assert_allclose(all_read.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(all_read.std(axis=0), 1, rtol=1e-5)


def test_a_column_whose_quantiles_fall_together_has_no_ramps() -> None:
    seldom = (np.arange(100) < 5).astype(np.float32)[:, None]
    assert measure_columns(seldom, ramps=6).columns == 1
