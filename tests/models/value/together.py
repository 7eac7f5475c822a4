"""Training by processes: what each of them does, to be found by a process that starts anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from homing.models.value import ConservativeQ, InMemory, Learner, Softmax, ValueSettings
from homing.models.value.batches import Batch, Rows, Sets
from homing.models.value.fit import new_network

from .logs import ragged

T = TypeVar("T", Batch, Rows, Sets)
EACH, STEPS, PROCESSES = 12, 4, 2
ALGORITHM, HORIZONS = ConservativeQ(Softmax((1.0, 2.0), 1.0), 1.0), np.array([2.0, 0.0])
TABLE = ("blocks", "hold")  # of all rows


def batches() -> list[Batch]:
    """Batches for all processes together."""
    source, found = InMemory(ragged(200, own=False), EACH * PROCESSES), []
    while len(found) < STEPS:
        found += source.batches(ALGORITHM.needs)
    return found[:STEPS]


def taken(whole: T, rows: slice) -> T:
    """Return some rows of a batch."""
    changed = {}
    for field in dataclasses.fields(whole):
        value = getattr(whole, field.name)
        if isinstance(value, Rows | Sets):
            changed[field.name] = taken(value, rows)
        elif isinstance(value, Tensor) and field.name not in TABLE:
            changed[field.name] = value[rows]
    return dataclasses.replace(whole, **changed)


def learner(seed: int) -> Learner:
    settings = ValueSettings(hidden=(8,), action_hidden=4, rank=4, steps=10, target_rate=0.3, seed=seed)
    return Learner(
        new_network(ALGORITHM, ragged(60, seed), HORIZONS, settings), ALGORITHM, HORIZONS, settings
    )


def weights(of: Learner) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value
        for name, network in (("fast", of.network), ("slow", of.target))
        for key, value in network.state_dict().items()
    }


def run(process: int, folder: Path) -> None:
    """Learn beside the other processes, from a start and scales of its own, and write the weights."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", meeting, rank=process, world_size=PROCESSES)
    mine = learner(seed=process)
    mine.share(DistributedDataParallel)
    for batch in batches():
        mine.step(taken(batch, slice(process * EACH, (process + 1) * EACH)))
    torch.save(weights(mine), folder / f"{process}.pt")
    distributed.destroy_process_group()
