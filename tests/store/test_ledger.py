from __future__ import annotations

import hashlib
import multiprocessing
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from homing.schema import EVENT_TYPES, ConfigError, LedgerBusyError, WorkspaceError
from homing.schema.times import MISSING
from homing.store import commits, ledger_writer
from homing.store.columns import TIME
from homing.store.doctor import check_ledger
from homing.store.hashing import hash_ids, partition_of
from homing.store.ledger import leftovers
from homing.store.workspace import Workspace

START = datetime(2026, 3, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 10**6


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w")


def users(*ids: str, **columns: list[object]) -> pl.DataFrame:
    at = pl.Series([START] * len(ids), dtype=TIME)
    return pl.DataFrame({"user_id": list(ids), "timezone": ["UTC"] * len(ids), "signed_up_at": at, **columns})


def events(*ids: str) -> pl.DataFrame:
    at = pl.Series([START] * len(ids), dtype=TIME)
    return pl.DataFrame({"event_id": list(ids), "user_id": ["a"] * len(ids), "at": at, "type": "session"})


def contents(workspace: Workspace) -> dict[str, bytes]:
    folder = workspace.path / "ledger"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_hashes_are_the_big_endian_words_of_md5():
    ids = ["a", "user-1", "ünïcode", "", "x" * 1000]
    found = hash_ids(pl.Series(ids))
    for name, high, low in zip(ids, found["hash_hi"], found["hash_lo"], strict=True):
        digest = hashlib.md5(name.encode()).digest()
        assert (high, low) == (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big"))
    assert partition_of(found["hash_lo"], 16).to_list() == [low % 16 for low in found["hash_lo"]]


def test_create_makes_folders_and_a_configuration_that_opens(tmp_path: Path):
    made = Workspace.create(tmp_path / "w")
    assert Workspace.open(tmp_path / "w").config == made.config
    assert all(path.is_dir() for path in (made.releases_path, made.runs_path, made.quarantine_path))
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        Workspace.create(tmp_path / "w")


def test_a_broken_configuration_makes_no_workspace(tmp_path: Path):
    with pytest.raises(ConfigError, match="partitions"):
        Workspace.create(tmp_path / "w", "[workspace]\npartitions = 0\n")
    with pytest.raises(ConfigError, match="not TOML"):
        Workspace.create(tmp_path / "w", "[workspace")
    assert not (tmp_path / "w").exists()
    with pytest.raises(WorkspaceError, match="'homing init' makes one"):
        Workspace.open(tmp_path / "w")


def test_a_ledger_without_its_commits_does_not_open(workspace: Workspace):
    (workspace.path / "ledger" / "commits").rmdir()
    with pytest.raises(WorkspaceError, match="commits is missing"):
        Workspace.open(workspace.path)


def test_rows_are_partitioned_sorted_and_hashed(workspace: Workspace):
    with workspace.ledger.write() as writer:
        writer.add("users", users("c", "a", "b", x_age=[3.0, 1.0, 2.0]))
    rows = pl.read_parquet(workspace.ledger.files("users"))
    assert rows.sort("user_id")["x_age"].to_list() == [1.0, 2.0, 3.0]
    hashes = hash_ids(rows["user_id"])
    assert rows.select("hash_hi", "hash_lo").equals(hashes)
    for partition in range(workspace.ledger.partitions):
        files = workspace.ledger.files("users", partition)
        ids = pl.read_parquet(files)["user_id"].to_list() if files else []
        expected = [n for n in "abc" if int(hash_ids(pl.Series([n]))["hash_lo"][0]) % 16 == partition]
        assert ids == expected


def test_watermark_and_counts(workspace: Workspace):
    assert workspace.ledger.watermark() == MISSING
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
        writer.add("events", events("e1", "e2"))
    assert workspace.ledger.watermark() == START_US
    assert workspace.ledger.counts()["events"] == 2
    assert workspace.ledger.counts()["decisions"] == 0


def test_codes_never_move(tmp_path: Path):
    workspace = Workspace.create(tmp_path / "w", "[channels.push]\n[channels.email]\n")
    with workspace.ledger.write() as writer:
        writer.add("users", users("a", x_plan=["pro"], x_age=[1.0]))
    before = workspace.ledger.vocabularies()
    settings = workspace.path / "homing.toml"
    settings.write_text(
        '[workspace]\ntimezone = "Asia/Tokyo"\n[events]\ntypes = ["zap"]\n[channels.sms]\n[channels.email]\n'
    )
    changed = Workspace.open(workspace.path)
    with changed.ledger.write() as writer:
        writer.add("users", users("b", x_plan=["free"], x_tall=[0.0]))
    after = changed.ledger.vocabularies()
    assert before.channels.names == ("push", "email")
    assert after.channels.names == ("push", "email", "sms")
    assert after.event_types.names == (*EVENT_TYPES, "zap")
    assert after.zones.names == ("UTC", "Asia/Tokyo")
    assert after.numeric == {"users": ("x_age", "x_tall")}
    assert after.categorical["users"]["x_plan"].names == ("pro", "free")
    assert Workspace.open(workspace.path).ledger.vocabularies() == after


def test_embeddings_are_one_numeric_feature_for_each_place(workspace: Workspace):
    vectors = pl.Series([[1.0, 2.0], [3.0, 4.0]], dtype=pl.Array(pl.Float32, 2))
    with workspace.ledger.write() as writer:
        writer.add("users", users("a", "b").with_columns(x_taste=vectors))
    assert workspace.ledger.vocabularies().numeric["users"] == ("x_taste[0]", "x_taste[1]")


def test_partitions_are_fixed_once_there_is_data(workspace: Workspace):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
    (workspace.path / "homing.toml").write_text("[workspace]\npartitions = 4\n")
    with (
        pytest.raises(WorkspaceError, match="the ledger has 16"),
        Workspace.open(workspace.path).ledger.write(),
    ):
        pass


def test_an_exception_leaves_the_ledger_as_it_was(workspace: Workspace):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
    before = contents(workspace)
    with pytest.raises(RuntimeError), workspace.ledger.write() as writer:
        writer.add("users", users("b"))
        raise RuntimeError
    assert contents(workspace) == before


@pytest.mark.parametrize("step", ["rename", "sync_folder", "write_commit"])
def test_a_failing_step_of_the_commit_leaves_the_ledger_as_it_was(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
    before = contents(workspace)

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    target = Path if step == "rename" else ledger_writer
    with (
        monkeypatch.context() as patched,
        pytest.raises(OSError, match="no space"),
        workspace.ledger.write() as writer,
    ):
        writer.add("users", users("b", "c", "d"))
        patched.setattr(target, step, fail)
    assert contents(workspace) == before


def test_an_error_after_the_commit_keeps_its_rows(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise OSError("input/output error")

    with (
        monkeypatch.context() as patched,
        pytest.raises(OSError, match="input/output"),
        workspace.ledger.write() as writer,
    ):
        writer.add("users", users("a"))
        patched.setattr(commits, "sync_folder", fail)
    assert pl.read_parquet(workspace.ledger.files("users"))["user_id"].to_list() == ["a"]


KILLED = """
import os, signal, sys
from pathlib import Path
import polars as pl
from homing.store import commits, ledger_writer
from homing.store.workspace import Workspace

workspace, point, nth = Workspace.open(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
calls = 0

def dying(function):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

owner, name = {
    "stage": (ledger_writer, "_sync"), "rename": (Path, "rename"), "folder": (ledger_writer, "sync_folder"),
    "commit": (ledger_writer, "write_commit"), "link": (Path, "hardlink_to"),
    "linked": (commits, "sync_folder"),
    "after": (ledger_writer.LedgerWriter, "discard"),
}[point]
setattr(owner, name, dying(getattr(owner, name)))
with workspace.ledger.write() as writer:
    writer.add("users", pl.DataFrame({"user_id": ["b", "c", "d"], "timezone": ["Asia/Tokyo"] * 3}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "nth", "committed"),
    [
        ("stage", 2, False),
        ("rename", 1, False),
        ("rename", 3, False),
        ("commit", 1, False),
        ("link", 1, False),
        ("linked", 1, True),
        ("after", 1, True),
    ],
)
def test_a_kill_leaves_all_or_nothing(workspace: Workspace, point: str, nth: int, committed: bool):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
    done = subprocess.run([sys.executable, "-c", KILLED, workspace.path, point, str(nth)], check=False)
    assert done.returncode == -signal.SIGKILL
    ledger = Workspace.open(workspace.path).ledger
    assert ledger.counts()["users"] == (4 if committed else 1)
    assert sorted(pl.read_parquet(ledger.files("users"), columns=["user_id"])["user_id"]) == (
        ["a", "b", "c", "d"] if committed else ["a"]
    )
    assert ("Asia/Tokyo" in ledger.vocabularies().zones) == committed
    with ledger.write() as writer:
        writer.add("users", users("e"))
    assert ledger.counts()["users"] == (5 if committed else 2)
    assert leftovers(ledger) == []


def _hold(
    path: Path, ready: multiprocessing.synchronize.Event, end: multiprocessing.synchronize.Event
) -> None:
    with Workspace.open(path).ledger.write() as writer:
        ready.set()
        end.wait(30)
        writer.add("users", users("b"))


@pytest.mark.slow
def test_the_second_writer_waits_or_is_told_who_writes(workspace: Workspace):
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(workspace.path, ready, end))
    process.start()
    assert ready.wait(30)
    with pytest.raises(LedgerBusyError, match=f"process {process.pid} "), workspace.ledger.write(timeout=0.1):
        pass
    end.set()
    with workspace.ledger.write(timeout=30) as writer:
        writer.add("users", users("c"))
    process.join()
    assert sorted(pl.read_parquet(workspace.ledger.files("users"))["user_id"]) == ["b", "c"]
    assert len(workspace.ledger.commits()) == 2


def test_a_commit_is_never_overwritten(workspace: Workspace):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
    (first,) = workspace.ledger.commits()
    with pytest.raises(WorkspaceError, match="is there already"):
        commits.write_commit(workspace.ledger.commits_path, first)
    assert list(workspace.ledger.commits_path.glob(".*")) == []


def test_a_missing_or_damaged_commit_is_an_error(workspace: Workspace):
    for name in "ab":
        with workspace.ledger.write() as writer:
            writer.add("users", users(name))
    folder = workspace.ledger.commits_path
    text = (folder / "00000000.json").read_text()
    (folder / "00000000.json").write_text(text[:100])
    with pytest.raises(WorkspaceError, match="is not a commit"):
        Workspace.open(workspace.path).ledger.counts()
    (folder / "00000000.json").unlink()
    with pytest.raises(WorkspaceError, match="lacks commit"):
        Workspace.open(workspace.path).ledger.counts()


def levels(workspace: Workspace) -> dict[str, str]:
    return {finding.subject: finding.level for finding in check_ledger(Workspace.open(workspace.path).ledger)}


def test_doctor_names_what_is_missing(workspace: Workspace):
    assert levels(workspace)["users"] == "error"
    assert levels(workspace)["decisions"] == "warning"
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
        writer.add("events", events("e1").with_columns(decision_id=pl.lit("gone")))
        writer.add("messages", pl.DataFrame({"message_id": ["m"], "domain": ["d"], "category": ["c"]}))
    found = check_ledger(workspace.ledger)
    assert [f.text for f in found if f.subject == "events" and f.level == "warning"] == [
        "1 of 1 events that name a decision name one that the ledger does not have for their user; "
        "they count as organic"
    ]
    assert all(finding.next_step for finding in found if finding.level != "ok")


def test_doctor_finds_broken_files_and_leftovers(workspace: Workspace):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a", "b"))
    first, second = workspace.ledger.files("users")
    stray = first.with_name("00000009-0000-000000.parquet")
    stray.write_bytes(first.read_bytes())
    assert levels(workspace)["leftovers"] == "warning"
    stray.unlink()
    first.write_bytes(first.read_bytes()[:-20])
    second.unlink()
    names = [str(path.relative_to(workspace.ledger.path)) for path in (first, second)]
    assert [levels(workspace)[name] for name in names] == ["error", "error"]


def test_doctor_counts_rows(workspace: Workspace):
    with workspace.ledger.write() as writer:
        writer.add("users", users("a"))
    (path,) = workspace.ledger.files("users")
    rows = pl.read_parquet(path)
    pl.concat([rows, rows]).write_parquet(path)
    (error,) = [finding for finding in check_ledger(workspace.ledger) if finding.subject.startswith("users/")]
    assert "has 2 rows, but its commit says 1" in error.text
