from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homing.models.value import Transitions
from homing.models.value.mapped import mapped_parts, open_transitions, save_transitions
from homing.schema import InputError

from .logs import ragged


def stacked(first: Transitions, second: Transitions, row: int) -> dict[str, object]:
    """What row `row` of the second log is behind the first: its candidates' blocks and where it leads."""
    own = slice(*second.offsets[row : row + 2])
    after = second.following[row]
    return {
        "blocks": second.actions[second.action[own]],
        "following": after + len(first) if after >= 0 else after,
    }


@pytest.mark.parametrize("own", [True, False])
def test_parts_stand_behind_each_other(tmp_path: Path, own: bool) -> None:
    parts = [ragged(20, seed, own) for seed in range(3)]
    save_transitions(iter(parts), tmp_path / "log")
    log = open_transitions(tmp_path / "log")
    assert len(log) == 60 and isinstance(log.state, np.memmap)
    first = 20
    for row in range(20):
        at = first + row
        want = stacked(parts[0], parts[1], row)
        mine = log.action[slice(*log.offsets[at : at + 2])]
        np.testing.assert_array_equal(log.actions[mine], want["blocks"])
        assert log.following[at] == want["following"]
    for name in ("state", "reward", "choice", "elapsed", "propensity", "charge", "user"):
        whole = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(log, name), whole)
    assert log.offsets[-1] == sum(len(part.action) for part in parts) == len(log.action)


def test_parts_that_do_not_fit_are_said_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have those of the first"):
        save_transitions([ragged(20), ragged(20, propensity=None)], tmp_path / "log")
    with pytest.raises(InputError, match=r"\[3\] numbers a row in state, must have \[2\]"):
        save_transitions([ragged(20), ragged(20, state=np.zeros((20, 3)))], tmp_path / "log")
    with pytest.raises(InputError, match="parts yields nothing"):
        save_transitions([], tmp_path / "log")
    assert not list(tmp_path.iterdir())


def test_processes_share_the_blocks_of_a_pass() -> None:
    log = ragged(100)
    seen = []
    for process in range(3):
        parts = mapped_parts(log, rows=16, block=8, seed=5, process=process, processes=3)
        seen.append({state.tobytes() for part in parts(2) for state in part.state[part.learnable]})
    assert sum(map(len, seen)) == len(set().union(*seen)) == len(log.learnable)
    assert min(map(len, seen)) > len(log.learnable) / 5
    with pytest.raises(InputError, match=r"process == 3 of processes == 3, must be in \[0, processes\)"):
        mapped_parts(log, process=3, processes=3)
    with pytest.raises(InputError, match="at most 1 processes"):
        mapped_parts(log, process=0, processes=2)
