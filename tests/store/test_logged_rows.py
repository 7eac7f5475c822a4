from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.schema import InputError
from homing.store import LogColumns, read_logged_rows
from homing.store.hashing import hash_ids

COLUMNS = LogColumns({"new": "target"}, user="who", prediction="guess")
LOG = pl.DataFrame(
    {
        "who": ["a", "b", "a"],
        "reward": [1.0, 0.0, 2.0],
        "propensity": [0.5, 0.25, 1.0],
        "choice": [1, 0, 0],
        "target": [[0.2, 0.8], [0.1, 0.3, 0.6], [1.0]],
        "guess": [[1.0, 2.0], [3.0, 4.0, 5.0], [6.0]],
        "ignored": [None, None, None],
    }
)


def written(folder: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(folder / "log.parquet")
    return folder / "log.parquet"


def test_ragged_lists_become_offsets_and_text_becomes_hashes(tmp_path: Path) -> None:
    first, second = read_logged_rows([written(tmp_path, LOG)], COLUMNS, rows=2)
    np.testing.assert_array_equal(first.offsets, [0, 2, 5])
    np.testing.assert_array_equal(first.targets["new"], [0.2, 0.8, 0.1, 0.3, 0.6])
    np.testing.assert_array_equal(second.offsets, [0, 1])
    np.testing.assert_array_equal(second.targets["new"], [1.0])
    assert second.prediction is not None
    np.testing.assert_array_equal(second.prediction, [6.0])
    hashes = hash_ids(LOG["who"])["hash_hi"].to_numpy()
    np.testing.assert_array_equal(np.concatenate([first.user, second.user]), hashes)


def test_lists_of_one_length_and_integer_users_over_two_files(tmp_path: Path) -> None:
    frame = LOG.select("reward", "propensity", "choice", who=pl.Series([7, -1, 7])).with_columns(
        target=pl.Series([[0.2, 0.8]] * 3, dtype=pl.Array(pl.Float32, 2))
    )
    path = written(tmp_path, frame)
    (first, second) = read_logged_rows([path, path], LogColumns({"new": "target"}, user="who"))
    np.testing.assert_array_equal(first.offsets, [0, 2, 4, 6])
    np.testing.assert_array_equal(second.user, [7, -1, 7])
    assert first.prediction is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (LOG.drop("reward"), "has no column reward"),
        (LOG.with_columns(reward=pl.lit(None, pl.Float64)), "3 nulls in reward"),
        (LOG.with_columns(who=pl.lit(None, pl.String)), "3 nulls in who"),
        (LOG.with_columns(target=pl.Series([None, [1.0], [1.0]])), "1 nulls in target"),
        (LOG.with_columns(target=pl.col("reward")), "double in target, must be lists"),
        (LOG.with_columns(guess=pl.Series([[1.0]] * 3)), "lists of other lengths in guess than in target"),
    ],
)
def test_bad_files(tmp_path: Path, change: pl.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(read_logged_rows([written(tmp_path, change)], COLUMNS))
