from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.schema.times import DAY, MISSING
from homing.store.columns import TIME
from homing.store.contract_files import write_tables


def test_columns_become_the_types_of_the_contract(tmp_path: Path) -> None:
    users = {
        "user_id": np.array(["a", "b"]),
        "timezone": np.array(["UTC", ""]),
        "signed_up_at": np.array([DAY, MISSING]),
        "x_plan": np.array(["free", None], dtype=object),
        "x_age": np.array([1.5, np.nan]),
        "x_paid": np.array([True, False]),
        "x_taste": np.array([[0.5, 1.0], [2.0, 3.0]], np.float32),
    }
    paths = write_tables(tmp_path / "new", {"users": users})
    assert paths == [tmp_path / "new" / "users.parquet"]
    frame = pl.read_parquet(paths[0])
    assert frame.schema["signed_up_at"] == TIME
    assert frame.schema["x_taste"] == pl.Array(pl.Float32, 2)
    assert frame["timezone"].to_list() == ["UTC", None]
    assert frame["signed_up_at"].to_physical().to_list() == [DAY, None]
    assert frame["x_plan"].to_list() == ["free", None]
    assert frame["x_age"].to_list() == [1.5, None]
    assert frame["x_paid"].to_list() == [True, False]
    assert frame["x_taste"].to_list() == [[0.5, 1.0], [2.0, 3.0]]


def test_empty_links_lists_and_bytes(tmp_path: Path) -> None:
    channels = np.empty(2, object)
    channels[:] = [["push"], []]
    tables = {
        "events": {
            "event_id": np.array(["e1", "e2"], dtype=object),
            "decision_id": np.array(["d", ""], dtype=object),
            "value": np.array([np.nan, 2.0]),
        },
        "messages": {"message_id": np.array(["m1", "m2"]), "channels": channels},
        "decisions": {
            "candidate_set": np.array([b"0123456789abcdef"], dtype=object),
            "candidates": np.array([3], np.int32),
            "value_clicks": np.array([np.nan], np.float32),
        },
    }
    write_tables(tmp_path, tables)
    events = pl.read_parquet(tmp_path / "events.parquet")
    assert events.rows() == [("e1", "d", None), ("e2", None, 2.0)]
    assert pl.read_parquet(tmp_path / "messages.parquet")["channels"].to_list() == [["push"], []]
    assert pl.read_parquet(tmp_path / "decisions.parquet").rows() == [(b"0123456789abcdef", 3, None)]


def test_a_table_or_column_out_of_the_contract_is_an_error_that_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'user' is not a table.*users, messages"):
        write_tables(tmp_path, {"user": {}})
    with pytest.raises(ValueError, match=r"events\.x_new is not a column.*event_id, user_id"):
        write_tables(tmp_path, {"events": {"x_new": np.zeros(1)}})
    assert list(tmp_path.iterdir()) == []
