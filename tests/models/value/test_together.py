from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from .together import PROCESSES, batches, learner, run, weights


@pytest.mark.slow
def test_two_processes_learn_what_one_does_from_batches_of_both(tmp_path: Path) -> None:
    context = get_context("spawn")
    workers = [
        context.Process(target=run, args=(process, tmp_path), daemon=True) for process in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    alone = learner(seed=0)
    before = weights(alone)["fast.value.weight"].clone()
    for batch in batches():
        alone.step(batch)
    for worker in workers:
        worker.join(600)  # a busy machine takes a minute to import
        assert worker.exitcode == 0
    want = weights(alone)
    assert not torch.allclose(want["fast.value.weight"], before, atol=1e-3)
    for process in range(PROCESSES):
        found = torch.load(tmp_path / f"{process}.pt")
        assert found.keys() == want.keys()
        for name, value in want.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4, msg=name)
