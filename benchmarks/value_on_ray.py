"""The same step on Ray Train: two workers with batches of n beside one process with batches of 2n.

    pip install "ray[train]"
    python benchmarks/value_on_ray.py

Each worker starts from weights and scales of its own, wraps its network with `ray.train.torch.prepare_model`
and learns from its half of every batch. The script ends with an error unless both end with the weights of the
one process, to rounding. It is the test of `DistributedDataParallel`, on Ray.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
import torch
from models.value.together import EACH, PROCESSES, STEPS, batches, learner, taken, weights
from ray import train
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model


def work(asked: dict[str, str]) -> None:
    """Learn from one half of each batch, and write the weights."""
    rank = train.get_context().get_world_rank()
    mine = learner(seed=rank)
    mine.share(prepare_model)
    for batch in batches():
        mine.step(taken(batch, slice(rank * EACH, (rank + 1) * EACH)))
    torch.save(weights(mine), Path(asked["folder"]) / f"{rank}.pt")


def main() -> None:
    """Train on Ray and alone, and hold the weights beside each other."""
    alone = learner(seed=0)
    before = {name: value.clone() for name, value in weights(alone).items()}
    for batch in batches():
        alone.step(batch)
    wanted = weights(alone)
    ray.init(
        "local",
        num_cpus=PROCESSES,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
    )
    with tempfile.TemporaryDirectory(prefix="homing-") as folder:
        trainer = TorchTrainer(
            work,
            train_loop_config={"folder": folder},
            scaling_config=ScalingConfig(num_workers=PROCESSES, use_gpu=False),
            run_config=RunConfig(storage_path=folder),
        )
        trainer.fit()
        found = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(PROCESSES)]
    ray.shutdown()
    moved = max(float((wanted[name] - value).abs().max()) for name, value in before.items())
    apart = max(float((part[name] - value).abs().max()) for part in found for name, value in wanted.items())
    print(
        f"Ray {importlib.metadata.version('ray')}, {PROCESSES} workers, {STEPS} steps of {EACH} rows each: "
        f"weights moved by up to {moved:.2g}, and differ by up to {apart:.2g} from those of one process"
    )
    for part in found:
        for name, value in wanted.items():
            torch.testing.assert_close(part[name], value, atol=1e-5, rtol=1e-4, msg=name)


if __name__ == "__main__":
    main()
