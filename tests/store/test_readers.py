from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import InputError
from homing.store import readers
from homing.store.readers import Batch, read_batches
from homing.store.sources import discover


def read(path: Path) -> list[Batch]:
    (source,) = discover([path], "users")
    return list(read_batches(source))


@settings(max_examples=25, deadline=None)
@given(good=st.lists(st.booleans(), max_size=60), block=st.sampled_from([40, 100, 10_000]))
def test_csv_rows_keep_their_numbers(tmp_path_factory: pytest.TempPathFactory, good: list[bool], block: int):
    path = tmp_path_factory.mktemp("csv") / "users.csv"
    lines = [f"{number},UTC" if fine else f"{number}" for number, fine in enumerate(good, 1)]
    path.write_text("\n".join(["user_id,timezone", *lines]) + "\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(readers, "_BLOCK", block)
        batches = read(path)
    taken = {row: int(text) for b in batches for row, text in zip(b.rows, b.frame["user_id"], strict=True)}
    apart = {row: int(text) for b in batches for row, _, text in b.rejected.iter_rows()}
    assert taken == {number: number for number, fine in enumerate(good, 1) if fine}
    assert apart == {number: number for number, fine in enumerate(good, 1) if not fine}


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path):
    path = tmp_path / "users.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,timezone\nu1,UTC\n")
    (batch,) = read(path)
    assert batch.frame.to_dicts() == [{"user_id": "u1", "timezone": "UTC"}]


def test_a_header_alone_is_no_rows(tmp_path: Path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,timezone\n")
    (batch,) = read(path)
    assert batch.frame.columns == ["user_id", "timezone"]
    assert len(batch.frame) == len(batch.rejected) == 0


@pytest.mark.parametrize("text", ["", "user_id,user_id\nu1,u2\n"])
def test_a_header_must_name_each_column_once(tmp_path: Path, text: str):
    path = tmp_path / "users.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"users\.csv"):
        read(path)


def test_broken_bytes_in_parquet_are_marked(tmp_path: Path):
    path = tmp_path / "users.parquet"
    offsets = pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab\xff\xfe")])
    pq.write_table(pa.table({"user_id": broken}), path)
    (batch,) = read(path)
    assert batch.marked
    assert batch.frame["user_id"].to_list() == ["ab", f"{readers.BROKEN}ff{readers.BROKEN}fe"]


def test_columns_of_parquet_are_named_once(tmp_path: Path):
    path = tmp_path / "users.parquet"
    ids = pa.array(["a"])
    pq.write_table(pa.Table.from_arrays([ids, ids], names=["user_id", "user_id"]), path)
    with pytest.raises(InputError, match="'user_id' more than once"):
        read(path)


def test_keys_of_ndjson_may_be_anything(tmp_path: Path):
    path = tmp_path / "users.ndjson"
    path.write_text('{"": 1, "row": 2, "user_id": "u", "User_ID": "v", "a\'/~\\"": 3}')
    (batch,) = read(path)
    assert batch.frame.to_dicts() == [{"": "1", "row": "2", "user_id": "u", "User_ID": "v", "a'/~\"": "3"}]


def test_parquet_comes_in_batches_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readers, "BATCH_ROWS", 2)
    path = tmp_path / "users.parquet"
    pl.DataFrame({"user_id": ["a", "b", "c"]}).write_parquet(path)
    first, second = read(path)
    assert (first.rows.to_list(), second.rows.to_list()) == ([1, 2], [3])
    assert (first.done, second.done) == (pytest.approx(2 / 3), 1.0)
    assert not first.marked


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_header_that_is_no_utf8_is_an_error(tmp_path: Path, encoding: str):
    path = tmp_path / "users.csv"
    path.write_bytes("user_id,x_größe\nu1,1\n".encode(encoding))
    with pytest.raises(InputError, match="the header is not UTF-8"):
        read(path)


def test_the_nearest_folder_within_the_one_given_names_the_table(tmp_path: Path):
    part = tmp_path / "users" / "log" / "events" / "date=2026-01-01" / "part-0.csv"
    part.parent.mkdir(parents=True)
    part.write_text("event_id\n")
    (source,) = discover([tmp_path / "users" / "log"])
    assert source.table.name == "events"
    written = tmp_path / "lake" / "events.parquet" / "part-00000.snappy.parquet"
    written.parent.mkdir(parents=True)
    written.touch()
    assert [source.table.name for source in discover([tmp_path / "lake", written.parent])] == ["events"]
    with pytest.raises(InputError, match="the table is not known"):
        discover([part])  # which folders around a single file name its table is for the caller to say
