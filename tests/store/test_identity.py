from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.store.identity import claimed_ids, packed


@pytest.mark.parametrize("seed", range(8))
def test_claims_against_a_search_row_by_row(seed: int, tmp_path: Path) -> None:
    rng, partitions = np.random.default_rng(seed), 3
    pool = [f"id-{place}" for place in range(60)]
    owner = {name: int(rng.integers(partitions)) for name in pool[:30]}  # the first half is in the ledger
    committed: dict[int, list[Path]] = {part: [] for part in range(partitions)}
    held: dict[Path, set[str]] = {}
    for part in range(partitions):
        mine = [name for name in owner if owner[name] == part]
        for half in (mine[::2], mine[1::2]):
            path = tmp_path / f"{part}-{len(committed[part])}.parquet"
            pl.DataFrame({"event_id": pl.Series(half, dtype=pl.String), "value": 0.0}).write_parquet(path)
            committed[part].append(path)
            held[path] = set(half)
    names = rng.choice(pool, 12)
    places = rng.integers(0, partitions, 12)
    rows = pl.DataFrame({"event_id": names, "source": pl.repeat(0, 12, eager=True), "row": np.arange(12)})
    claims = [packed(rows["event_id"], pl.Series(places))]

    found = claimed_ids("event_id", lambda part: rows.filter(pl.Series(places == part)), claims, committed)

    first = dict(owner)
    for name, place in zip(names.tolist(), places.tolist(), strict=True):
        first.setdefault(name, place)
    for part in range(partitions):
        mine = set(names[places == part].tolist())
        foreign = found.foreign.get(part)
        assert set([] if foreign is None else foreign) == {name for name in mine if first[name] != part}
        assert found.met[part] == [path for path in committed[part] if held[path] & set(names.tolist())]
    assert claims == []


def test_nothing_claimed_meets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    pl.DataFrame({"event_id": ["a"]}).write_parquet(path)
    found = claimed_ids("event_id", lambda _: pl.DataFrame(), [], {0: [path]})
    assert not found.met
    assert not found.foreign
