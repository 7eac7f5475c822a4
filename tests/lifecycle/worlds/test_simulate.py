import hashlib
from pathlib import Path

import polars as pl
import pytest

from homing.lifecycle.worlds.simulate import Simulated, simulate
from homing.schema import Config, InputError
from homing.schema.times import DAY, to_datetime
from homing.simulator import PART_USERS, Setup

pytestmark = pytest.mark.slow

PEOPLE = PART_USERS + 300  # two parts


def write(folder: Path, **changes: object) -> Simulated:
    settings = {"users": PEOPLE, "days": 2, "seed": 3, "policy": "random", "workers": 2, "world": "streaming"}
    settings |= changes
    setup = Setup(settings["users"], settings["days"], settings["seed"])  # type: ignore[arg-type]
    return simulate(
        folder,
        settings["world"],  # type: ignore[arg-type]
        setup,
        settings["policy"],  # type: ignore[arg-type]
        Config(),
        workers=settings["workers"],  # type: ignore[arg-type]
    )


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return write(tmp_path_factory.mktemp("simulate") / "log")


def test_a_folder_a_part_with_the_catalogue_once(written: Simulated) -> None:
    assert [path.name for path in sorted(written.folder.iterdir())] == [
        "part-00000",
        "part-00001",
        "simulation.json",
    ]
    tables = ("users", "consents", "opportunities", "events", "decisions")
    for number in range(2):
        files = {path.name for path in (written.folder / f"part-{number:05d}").iterdir()}
        once = {"messages.parquet"} if number == 0 else set()
        assert files == {*(f"{table}.parquet" for table in tables), "part.json", *once}
    assert list(written.folder.parent.glob(".*")) == []  # nothing is left aside
    assert written.parts == 2
    assert written.kept == 0
    tally = written.tally
    assert tally.rows["users"] == PEOPLE
    assert tally.decisions == tally.rows["decisions"] > PEOPLE
    assert 0 < tally.sends < tally.decisions
    assert sum(tally.events.values()) == tally.rows["events"]


def test_any_number_of_workers_writes_the_same_bytes(written: Simulated, tmp_path: Path) -> None:
    assert digests(write(tmp_path / "log", workers=1).folder) == digests(written.folder)


def test_a_stopped_run_goes_on_where_it_was(written: Simulated, tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    class Impatient:
        def update(self, step: str, done: float, note: str = "") -> None:
            if done > 0.5:  # into the second part
                raise Stop

    with pytest.raises(Stop):
        simulate(
            tmp_path / "log",
            "streaming",
            Setup(PEOPLE, 2, 3),
            "random",
            Config(),
            workers=1,
            progress=Impatient(),
        )
    first = tmp_path / "log" / "part-00000"
    assert first.is_dir()
    assert not (tmp_path / "log" / "part-00001").exists()
    before = first.stat().st_mtime_ns
    again = write(tmp_path / "log")
    assert again.kept == 1
    assert first.stat().st_mtime_ns == before
    assert digests(again.folder) == digests(written.folder)
    assert again.tally == written.tally


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 4}, "seed == 3"),
        ({"users": 100}, f"users == {PEOPLE}"),
        ({"policy": "hold"}, "policy == 'random'"),
        ({"world": "nowhere"}, "world == 'nowhere', must be one of"),
        ({"policy": "randon"}, "did you mean 'random'"),
    ],
)
def test_other_settings_do_not_mix_with_a_log(
    written: Simulated, change: dict[str, object], says: str
) -> None:
    before = digests(written.folder)
    with pytest.raises(InputError, match=says):
        write(written.folder, **change)
    assert digests(written.folder) == before


def test_other_rules_are_other_settings(written: Simulated) -> None:
    rules = Config.model_validate({"limits": {"spacing": "6h"}})
    with pytest.raises(InputError, match="rules == "):
        simulate(written.folder, "streaming", Setup(PEOPLE, 2, 3), "random", rules)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not a simulated log"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_log_that_ends_before_its_world_holds_what_was_known(tmp_path: Path) -> None:
    """The decisions of the days so far are those of the whole; nobody and nothing of later days is in it."""
    whole = Setup(600, 6, 3)
    simulate(tmp_path / "whole", "streaming", whole, "random", Config())
    found = simulate(tmp_path / "begun", "streaming", whole, "random", Config(), until=4)
    assert found.end == whole.start + 4 * DAY

    def table(log: str, name: str) -> pl.DataFrame:
        return pl.read_parquet(tmp_path / log / "part-00000" / f"{name}.parquet")

    end = to_datetime(found.end)
    for name, column in (
        ("users", "signed_up_at"),
        ("opportunities", "created_at"),
        ("events", "at"),
        ("consents", "at"),
        ("decisions", "epoch_at"),
    ):
        every, begun = table("whole", name), table("begun", name)
        assert begun[column].max() <= end  # type: ignore[operator]
        known = every.filter(pl.col(column) < end)
        assert begun.filter(pl.col(column) < end).equals(known)
        assert len(known) < len(every)
