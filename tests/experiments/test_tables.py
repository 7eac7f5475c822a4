import duckdb
import numpy as np
import polars as pl
import pytest

from homing.experiments import adjust, from_arrays, from_table, products_for
from homing.experiments import tables as module
from homing.schema import InputError

RNG = np.random.default_rng(5)
ROWS = 3000
TABLE = pl.DataFrame(
    {
        "arm": RNG.choice(["control", "x"], ROWS),
        "spend": RNG.exponential(3, ROWS) + 1e6,
        "clicked": RNG.random(ROWS) < 0.3,
        "visits": RNG.integers(0, 9, ROWS),
        "day": RNG.integers(1, 4, ROWS),
        "country": RNG.choice(["DE", "SE"], ROWS),
    }
)
COLUMNS = ["spend", "clicked", "visits"]
WHOLE = from_arrays(TABLE["arm"].to_numpy().astype(str), {c: TABLE[c].to_numpy() for c in COLUMNS})


def pandas(frame):
    return pytest.importorskip("pandas").DataFrame(frame.to_dict(as_series=False))


ENGINES = {
    "polars": lambda frame: frame,
    "polars lazy": lambda frame: frame.lazy(),
    "arrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.connect().from_arrow(frame.to_arrow()),
    "pandas": pandas,
}


@pytest.fixture(params=[*ENGINES, "path"], autouse=True)
def engine(request, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_BLOCK", 700)
    if request.param == "path":
        return lambda frame: written(frame, tmp_path / "table.parquet")
    return ENGINES[request.param]


def written(frame, path):
    frame.write_parquet(path, row_group_size=700)
    return path


def test_every_engine_gives_the_same(engine):
    found = from_table(engine(TABLE), COLUMNS)
    assert found.arms == ("control", "x")
    assert found.count.tolist() == WHOLE.count.tolist()
    assert found.mean == pytest.approx(WHOLE.mean, rel=1e-12)
    assert found.scatter == pytest.approx(WHOLE.scatter, rel=1e-7, abs=1e-4)


def test_several_files_are_one_table(tmp_path):
    written(TABLE[:1000], tmp_path / "a.parquet")
    written(TABLE[1000:], tmp_path / "b.parquet")
    found = from_table(f"{tmp_path}/*.parquet", COLUMNS)
    assert found.count.tolist() == WHOLE.count.tolist()
    assert found.mean == pytest.approx(WHOLE.mean, rel=1e-12)
    with pytest.raises(InputError, match=r"there is no file .*c\.parquet"):
        from_table(tmp_path / "c.parquet", COLUMNS)


def test_axes(engine):
    found = from_table(engine(TABLE), COLUMNS, by=["country", "day"])
    assert [axis.labels for axis in found.axes] == [("DE", "SE"), (1, 2, 3)]
    part = TABLE.filter(country="SE", day=2)
    want = from_arrays(part["arm"].to_numpy().astype(str), {c: part[c].to_numpy() for c in COLUMNS})
    cell = found.at("country", "SE").at("day", 2)
    assert cell.count.tolist() == want.count.tolist()
    assert cell.scatter == pytest.approx(want.scatter, rel=1e-7, abs=1e-4)
    assert found.total("day").total("country").mean == pytest.approx(WHOLE.mean, rel=1e-12)


def test_missing_values(engine):
    # x 1, -, 3 | 5: the missing one becomes 0, with a mark
    frame = pl.DataFrame({"arm": ["a", "a", "a", "b"], "y": [1.0, 2, 3, 4], "x": [1.0, None, 3, 5]})
    found = from_table(engine(frame), ["y"], missing=["x"])
    assert found.columns == ("y", "x", "x missing")
    assert found.mean[0] == pytest.approx([2, 4 / 3, 1 / 3])
    assert found.mean[1] == pytest.approx([4, 5, 0])
    with pytest.raises(InputError, match="x has 1 missing or infinite"):
        from_table(engine(frame), ["y", "x"])
    with pytest.raises(InputError, match="arm has 1 missing"):
        from_table(engine(frame.with_columns(arm=pl.Series(["a", None, "a", "b"]))), ["y"])


def test_rows_are_summed_by_unit(engine):
    frame = pl.DataFrame({"arm": list("aabbb"), "user": [1, 1, 2, 3, 3], "y": [1.0, 2, 3, 4, 5]})
    found = from_table(engine(frame), ["y"], unit="user")
    assert found.columns == ("y", "rows")
    assert found.count.tolist() == [1, 2]
    assert found.mean.tolist() == [[3, 2], [6, 1.5]]
    absent = frame.with_columns(y=pl.Series([1.0, None, 3, 4, 5]))
    with pytest.raises(InputError, match="y has 1 missing or infinite values of 3"):
        from_table(engine(absent), ["y"], unit="user")
    marked = from_table(engine(absent), [], missing=["y"], unit="user")
    assert marked.columns == ("y", "y missing", "rows")
    assert marked.mean.tolist() == [[1, 1, 2], [6, 0, 1.5]]
    crossed = frame.with_columns(user=pl.Series([1, 1, 1, 3, 3]))
    with pytest.raises(InputError, match="1 units have rows in more than one arm"):
        from_table(engine(crossed), ["y"], unit="user")


def test_bad_tables(engine):
    with pytest.raises(InputError, match="did you mean 'spend'"):
        from_table(engine(TABLE), ["spent"])
    with pytest.raises(InputError, match="named once"):
        from_table(engine(TABLE), ["spend", "spend"])
    with pytest.raises(InputError, match="must be numbers or booleans"):
        from_table(engine(TABLE), ["country"])
    with pytest.raises(InputError, match=r"spend has .*missing or infinite"):
        from_table(engine(TABLE.with_columns(spend=float("inf"))), ["spend"])
    with pytest.raises(InputError, match="the table is dict"):
        from_table({"arm": ["a"]}, ["spend"])
    with pytest.raises(InputError, match="no rows"):
        from_table(engine(TABLE.clear()), ["visits"])


def test_lazy_tables_need_not_make_every_product():
    found = from_table(TABLE.lazy(), COLUMNS, products=[("visits", "spend")])
    known = ~np.isnan(found.scatter)
    assert known[0].tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    assert found.scatter[known] == pytest.approx(WHOLE.scatter[known], rel=1e-7, abs=1e-4)


def test_products_of_a_marked_column_are_those_of_its_mark_too():
    table = TABLE.with_columns(before=pl.when(pl.col("visits") > 2).then(pl.col("spend")))
    covariates = {"visits": ["before"]}
    lazy = from_table(table.lazy(), ["visits"], missing=["before"], products=products_for(covariates))
    whole = from_table(table, ["visits"], missing=["before"])
    assert adjust(lazy, covariates).scatter == pytest.approx(
        adjust(whole, covariates).scatter, rel=1e-6, nan_ok=True
    )
