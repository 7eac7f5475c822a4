"""Gradient steps of value learning, beside d3rlpy's DiscreteCQL and a bare PyTorch loop.

python benchmarks/value_speed.py [--rows N] [--steps N] [--rounds N]   steps a CPU-s on one thread
python benchmarks/value_speed.py --device cuda                         steps a second, peak memory of a GPU
python benchmarks/value_speed.py --memory --rows 10000000              peak memory, in memory and mapped
python benchmarks/value_speed.py --memory --rows 10000000 --device cuda     peak memory of a GPU

64 features, 8 actions, batch 1,024, [256, 256]. Contenders take turns on the same log, and the best round of
each counts, since other work runs on the machine. The bare loop is double Q-learning with the CQL penalty,
no more than a person would write in one file: on rows that it gathers itself, without a slow copy's policy.
On a GPU the loop gathers rows there; d3rlpy copies each batch to it, with and without its compiled graphs.
Needs PyTorch and NumPy alone. d3rlpy 2.8.1 is compared where it can be imported:
    python3.11 -m venv /tmp/d3
    /tmp/d3/bin/pip install d3rlpy==2.8.1 torch==2.13.0
    PYTHONPATH=src OMP_NUM_THREADS=1 /tmp/d3/bin/python -W ignore benchmarks/value_speed.py
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import importlib.util
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SOURCE = Path(__file__).parents[1] / "src"
if importlib.util.find_spec("pydantic") is None:  # PyTorch alone: errors will do
    sys.path.insert(0, str(SOURCE))
    schema = types.ModuleType("homing.schema")
    schema.__path__ = [str(SOURCE / "homing" / "schema")]
    sys.modules["homing.schema"] = schema

from homing.models.value import (  # noqa: E402  after the path to it
    ConservativeQ,
    FittedQ,
    ImplicitQ,
    InMemory,
    Learner,
    Logged,
    Softmax,
    Streamed,
    Transitions,
    ValueSettings,
)
from homing.models.value.fit import new_network  # noqa: E402  as above
from homing.models.value.mapped import mapped_parts, open_transitions, save_transitions  # noqa: E402  as above

FEATURES, ACTIONS, BATCH, HIDDEN, LENGTH = 64, 8, 1_024, (256, 256), 30
HORIZON, GREEDY = 28.0, Softmax((1.0,), 0.1)
CONTENDERS = {
    "CQL": ConservativeQ(GREEDY, 1.0),
    "CQL, as published": ConservativeQ(GREEDY, 1.0, anchored=False),
    "fitted Q of the log": FittedQ(Logged()),
    "IQL": ImplicitQ((1.0,)),
}


def draw(rows: int) -> Transitions:
    """Return users of 30 decisions each, without a check that would read it all again."""
    random = np.random.default_rng(0)
    following = np.arange(1, rows + 1)
    following[LENGTH - 1 :: LENGTH] = -1
    following[-1] = -1
    state = np.empty((rows, FEATURES), np.float32)
    for first in range(0, rows, 1 << 16):
        block = state[first : first + (1 << 16)]
        block[:] = random.standard_normal(block.shape, dtype=np.float32)
    return Transitions(
        user=np.arange(rows) // LENGTH,
        state=state,
        offsets=np.arange(rows + 1) * ACTIONS,
        action=np.tile(np.arange(ACTIONS, dtype=np.int32), rows),
        actions=np.eye(ACTIONS, dtype=np.float32),
        hold=np.arange(ACTIONS) == 0,
        choice=random.integers(0, ACTIONS, rows, dtype=np.int32),
        reward=random.standard_normal((rows, 1), dtype=np.float32),
        elapsed=np.ones(rows, np.float32),
        following=following,
        propensity=np.full(rows * ACTIONS, 1 / ACTIONS, np.float32),
    )


def ours(data: Transitions, name: str, device: str, precision: Any = "float32") -> Callable[[int], None]:
    """Return what takes so many steps."""
    algorithm, horizons = CONTENDERS[name], np.array([HORIZON])
    settings = ValueSettings(
        hidden=HIDDEN, batch_size=BATCH, steps=1_000_000, device=device, precision=precision
    )
    learner = Learner(new_network(algorithm, data, horizons, settings), algorithm, horizons, settings)
    source = InMemory(data, BATCH, device=device)

    def batches() -> Iterator[Any]:
        while True:
            yield from source.batches(algorithm.needs)

    stream = batches()

    def run(steps: int) -> None:
        for _ in range(steps):
            learner.step(next(stream))

    return run


def bare(data: Transitions, device: str) -> Callable[[int], None]:
    """Return double Q-learning with the CQL penalty, written out."""
    columns = data.state, data.choice.astype(np.int64)[:, None], data.reward, (data.following < 0)[:, None]
    state, choice, reward, ended = (torch.from_numpy(column).to(device) for column in columns)
    layers = [nn.Linear(FEATURES, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, ACTIONS)]
    network = nn.Sequential(*layers).to(device)
    slow = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)

    def run(steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(0, len(state) - 1, (BATCH,), device=device)
            with torch.no_grad():
                after = slow(state[rows + 1]).amax(1, keepdim=True)
                wanted = reward[rows] + 0.965 * ~ended[rows] * after
            q = network(state[rows])
            chosen = q.gather(1, choice[rows])
            loss = (chosen - wanted).square().mean() / 2 + (q.logsumexp(1, keepdim=True) - chosen).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                for target, weight in zip(slow.parameters(), network.parameters(), strict=True):
                    target.lerp_(weight, 0.005)

    return run


def theirs(data: Transitions, device: str, compiled: bool = False) -> Callable[[int], None]:
    import d3rlpy
    import structlog
    from d3rlpy.logging import NoopAdapterFactory

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with contextlib.redirect_stdout(None):
        log = d3rlpy.dataset.MDPDataset(
            data.state, data.choice[:, None], data.reward, (data.following < 0).astype(np.float32)
        )
    learner = d3rlpy.algos.DiscreteCQLConfig(batch_size=BATCH, compile_graph=compiled).create(device=device)

    def run(steps: int) -> None:
        learner.fit(
            log,
            n_steps=steps,
            n_steps_per_epoch=steps,
            show_progress=False,
            logger_adapter=NoopAdapterFactory(),
        )

    return run


def on_cpu(rows: int, steps: int, rounds: int) -> None:
    torch.set_num_threads(1)
    data = draw(rows)
    runs: dict[str, Callable[[int], None]] = {name: ours(data, name, "cpu") for name in CONTENDERS}
    runs["bare loop"] = bare(data, "cpu")
    if importlib.util.find_spec("d3rlpy"):
        runs["d3rlpy DiscreteCQL"] = theirs(data, "cpu:0")
    best = dict.fromkeys(runs, 0.0)
    for _ in range(rounds):
        for name, run in runs.items():
            run(2)
            started = time.process_time()
            run(steps)
            best[name] = max(best[name], steps / (time.process_time() - started))
    for name, rate in best.items():
        beside = ", ".join(
            f"{rate / best[other]:.2f} of {other}"
            for other in ("bare loop", "d3rlpy DiscreteCQL")
            if other in best and other != name
        )
        print(f"{name:22s} {rate:7.1f} steps/CPU-s   {beside}", flush=True)


def on_gpu(rows: int, steps: int, device: str) -> None:
    print(torch.cuda.get_device_name(device), torch.__version__)
    data = draw(rows)
    for name in CONTENDERS:
        for label, precision, products in (
            ("fp32", "float32", "highest"),
            ("tf32", "float32", "high"),
            ("bf16", "bfloat16", "high"),
        ):
            torch.set_float32_matmul_precision(products)
            timed(f"{name}, {label}", steps, device, ours, data, name, device, precision)
    timed("bare loop, tf32", steps, device, bare, data, device)
    if importlib.util.find_spec("d3rlpy"):
        for compiled in (False, True):
            label = f"d3rlpy DiscreteCQL{', compiled' if compiled else ''}, tf32"
            timed(label, steps, device, theirs, data, device, compiled)


def timed(
    label: str, steps: int, device: str, make: Callable[..., Callable[[int], None]], *arguments: Any
) -> None:
    """Print steps a second on a GPU, and its peak memory with all that the contender holds there."""
    torch.cuda.reset_peak_memory_stats(device)
    run = make(*arguments)
    run(30)
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    run(steps)
    torch.cuda.synchronize(device)
    rate = steps / (time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated(device) / 2**20
    print(
        f"{label:34s} {rate:7.0f} steps/s, {rate * BATCH / 1e6:.2f} M transitions/s, peak {peak:,.0f} MiB",
        flush=True,
    )
    del run
    gc.collect()
    torch.cuda.empty_cache()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def alone(function: Callable[..., None], *arguments: Any) -> None:
    """Run in a process of its own, which has a peak of its own."""
    worker = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    worker.start()
    worker.join()


def memory(rows: int, steps: int) -> None:
    """Print the peaks of a stream of mapped files and of a log in memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        alone(write, rows, path)
        size = sum(file.stat().st_size for file in path.iterdir())
        print(f"columns of {rows:,} transitions: {size / 2**30:.2f} GiB")
        alone(mapped, path, steps)
    alone(in_memory, rows, steps)


def write(rows: int, path: Path) -> None:
    save_transitions([draw(rows)], path)


def mapped(path: Path, steps: int) -> None:
    torch.set_num_threads(1)
    before = peak()
    algorithm, horizons = CONTENDERS["CQL"], np.array([HORIZON])
    settings = ValueSettings(hidden=HIDDEN, batch_size=BATCH, steps=1_000_000)
    source = Streamed(mapped_parts(open_transitions(path)), BATCH)
    network = new_network(algorithm, source.sample(), horizons, settings)
    learner = Learner(network, algorithm, horizons, settings)
    started, taken = time.process_time(), 0
    for batch in source.batches(algorithm.needs):
        learner.step(batch)
        taken += 1
        if taken == steps:
            break
    rate = taken / (time.process_time() - started)
    print(f"mapped: {before:.2f} GiB before, peak {peak():.2f} GiB; {rate:.1f} steps/CPU-s", flush=True)


def in_memory(rows: int, steps: int) -> None:
    torch.set_num_threads(1)
    data = draw(rows)
    before = peak()
    ours(data, "CQL", "cpu")(steps)
    print(f"in memory: {before:.2f} GiB with the columns alone, peak {peak():.2f} GiB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    if given.memory and given.device == "cpu":
        memory(given.rows, given.steps)
    elif given.memory:
        timed("CQL, fp32", given.steps, given.device, ours, draw(given.rows), "CQL", given.device)
    elif given.device == "cpu":
        on_cpu(given.rows, given.steps, given.rounds)
    else:
        on_gpu(given.rows, given.steps, given.device)
