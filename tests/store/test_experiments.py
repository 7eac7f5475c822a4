import json
from pathlib import Path

import pytest
from small_world import SMALL_TOML

from homing.schema import ConfigError, InputError, WorkspaceError
from homing.schema.experiment_record import Change, Record
from homing.schema.times import DAY
from homing.store import (
    Workspace,
    change_record,
    experiment_names,
    read_design,
    read_record,
    read_records,
    start_record,
    write_design,
)

TOML = '[arms.control]\nshare = 0.5\n[arms.new]\nshare = 0.5\n[metrics.m]\nrole = "success"\nevent = "session"\neffect = 0.1\n'  # noqa: E501


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path, SMALL_TOML)


def started(workspace: Workspace, name: str = "x", at: int = 100) -> Record:
    if name not in experiment_names(workspace):
        write_design(workspace, name, TOML)
    record = Record(name, read_design(workspace, name), (Change("start", at * DAY, "now", 0.5),))
    start_record(workspace, record, lambda others: None)
    return record


def test_a_design_is_written_once(workspace: Workspace) -> None:
    path = write_design(workspace, "x", TOML)
    assert path.read_text() == TOML
    assert experiment_names(workspace) == ("x",)
    assert read_record(workspace, "x") is None
    with pytest.raises(InputError, match="'x' is there already"):
        write_design(workspace, "x", TOML)
    with pytest.raises(ConfigError):
        write_design(workspace, "y", "days = 0")
    assert experiment_names(workspace) == ("x",)


def test_what_is_not_there_says_what_to_do(workspace: Workspace) -> None:
    write_design(workspace, "warmer", TOML)
    with pytest.raises(InputError, match="did you mean 'warmer'"):
        read_design(workspace, "warmr")
    with pytest.raises(InputError, match="homing experiment new other"):
        read_record(workspace, "other")
    with pytest.raises(InputError, match="has not been started"):
        change_record(workspace, "warmer", Change("stop", DAY, "now"))


def test_after_the_start_only_the_history_grows(workspace: Workspace) -> None:
    record = started(workspace)
    with pytest.raises(InputError, match="was started before"):
        started(workspace)
    path = workspace.experiments_path / "x.toml"
    path.write_text(TOML.replace("0.1", "0.2"))  # a later edit of the file changes nothing
    kept = read_record(workspace, "x")
    assert kept == record
    change_record(workspace, "x", Change("ramp", 101 * DAY, "now", 1.0))
    with pytest.raises(InputError, match=r"traffic == 0.7, must be over 1"):
        change_record(workspace, "x", Change("ramp", 102 * DAY, "now", 0.7))
    with pytest.raises(InputError, match="must come after its start"):
        change_record(workspace, "x", Change("stop", 100 * DAY, "now"))
    change_record(workspace, "x", Change("look", 103 * DAY, "now"))
    again = change_record(workspace, "x", Change("look", 103 * DAY, "later"))
    assert [change.what for change in again.history] == ["start", "ramp", "look"]
    change_record(workspace, "x", Change("stop", 104 * DAY, "now"))
    for change in (Change("stop", 105 * DAY, "now"), Change("ramp", 105 * DAY, "now", 1.0)):
        with pytest.raises(InputError, match="was stopped before"):
            change_record(workspace, "x", change)
    assert len(change_record(workspace, "x", Change("look", 106 * DAY, "now")).looks) == 2


def test_a_check_that_fails_keeps_nothing(workspace: Workspace) -> None:
    first = started(workspace, "first", 90)

    def refuse(others: tuple[Record, ...]) -> None:
        assert others == (first,)
        raise InputError("no")

    write_design(workspace, "x", TOML)
    record = Record("x", read_design(workspace, "x"), (Change("start", 100 * DAY, "now", 0.5),))
    with pytest.raises(InputError, match="no"):
        start_record(workspace, record, refuse)
    assert read_record(workspace, "x") is None
    assert read_records(workspace) == (first,)


def test_records_are_read_in_the_order_of_their_starts(workspace: Workspace) -> None:
    started(workspace, "a", 200)
    started(workspace, "b", 100)
    assert [record.name for record in read_records(workspace)] == ["b", "a"]


@pytest.mark.parametrize("text", ["{", "{}", '{"name": "x", "design": {}, "history": []}'])
def test_a_damaged_record_is_an_error(workspace: Workspace, text: str) -> None:
    started(workspace)
    path = workspace.experiments_path / "x.json"
    path.write_text(text)
    with pytest.raises(WorkspaceError, match="is no record of an experiment"):
        read_record(workspace, "x")
    path.write_text(json.dumps({"name": "x", "design": {}, "history": [{"what": "stop", "at": 1}]}))
    with pytest.raises(WorkspaceError, match="is no record"):
        read_records(workspace)
