from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from homing.models.value import InMemory, Streamed
from homing.models.value.batches import Batch, Needs, Rows
from homing.models.value.mapped import mapped_parts, open_transitions, save_transitions
from homing.models.value.transitions import Transitions
from homing.schema import InputError

from .logs import ragged

WHOLE = Needs(now=True, later=True)


def candidates(rows: Rows, place: int) -> np.ndarray:
    """The blocks of one row."""
    sets = rows.sets
    there = slice(None) if sets.present is None else sets.present[place]
    return sets.blocks[sets.index[place][there]].numpy()


def row_of(log: Transitions, state: torch.Tensor) -> int:
    return int(np.flatnonzero((log.state == state.numpy()).all(1))[0])


def check(log: Transitions, batch: Batch) -> set[int]:
    """Compare each row of a batch with the log; return which rows they are."""
    found = set()
    for place in range(len(batch.reward)):
        row = row_of(log, batch.now.state[place])
        found.add(row)
        after = log.following[row]
        assert bool(batch.ended[place]) == (after < 0)
        assert (batch.reward[place].numpy() == log.reward[row]).all()
        for rows, at in ((batch.now, row), *([(batch.later, after)] if after >= 0 else [])):
            assert row_of(log, rows.state[place]) == at
            own = slice(*log.offsets[at : at + 2])
            assert (candidates(rows, place) == log.actions[log.action[own]]).all()
            assert int(rows.choice[place]) == log.choice[at]
            assert rows.sets.propensity is not None and rows.sets.present is not None
            there = rows.sets.present[place]
            assert (rows.sets.propensity[place][there].numpy() == log.propensity[own]).all()
            assert (rows.sets.propensity[place][~there] == 0).all()
    return found


@pytest.mark.parametrize("own", [True, False])
def test_batches_are_the_log(own: bool) -> None:
    log = ragged(200, own=own)  # more blocks of their own than are scored as one table
    source = InMemory(log, 7)
    assert next(source.batches(WHOLE)).now.sets.shared != own
    passes = [[check(log, batch) for batch in source.batches(WHOLE)] for _ in range(2)]
    for batches in passes:
        assert sum(map(len, batches)) == len(set().union(*batches)) == len(log.learnable) // 7 * 7
    assert passes[0] != passes[1]


def test_the_chosen_candidate_alone() -> None:
    log = ragged(60)
    for batch in InMemory(log, 7).batches(Needs(now=False, later=False)):
        for place in range(7):
            row = row_of(log, batch.now.state[place])
            chosen = log.actions[log.action[log.offsets[row] + log.choice[row]]]
            assert (candidates(batch.now, place) == chosen[None]).all()


def test_a_stream_of_mapped_files_is_the_log(tmp_path: Path) -> None:
    log = ragged(100)
    save_transitions([log], tmp_path / "log")
    parts = mapped_parts(open_transitions(tmp_path / "log"), rows=32, block=8)
    source = Streamed(parts, 4)
    passes = [[check(log, batch) for batch in source.batches(WHOLE)] for _ in range(2)]
    for batches in passes:
        seen = [row for batch in batches for row in batch]
        assert len(seen) == len(set(seen))
        # at most one batch less one row is left over in each part
        assert len(log.learnable) - 4 * 3 <= len(seen) <= len(log.learnable)
    assert passes[0] != passes[1]
    assert source.sample().objectives == 2


def test_a_stream_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="parts yields nothing"):
        Streamed(lambda number: iter(()), 4).sample()
