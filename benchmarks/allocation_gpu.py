"""Passes and solves of `homing.allocation` on a GPU, beside compiled code and the memory's own speed.

Instances are those of `allocation.py` with 143 limits. It needs NumPy, Numba, PyTorch with CUDA and nothing
else; the package need not be installed:

PYTHONPATH=src python benchmarks/allocation_gpu.py [--users 1000000 10000000] [--device cpu] [--profile]

The floor of a pass is 8 bytes a candidate, value and arm, over the speed at which the device copies, bytes
read and written counted. Prices within the
tolerance of 1e-3 are many, and rounding decides which of them is found; those of a tolerance of 1e-5 at one
temperature are compared, too. "fused" is the same pass with its arithmetic through torch.compile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from allocation import make_bounds, make_demand, peak_mb

from homing.allocation import Bounds, Demand, Solution, on_device, solve
from homing.allocation.on_device import OnDevice
from homing.allocation.passes import Compiled

LIMITS = 143
MODEL_USERS = 40_000
TIGHTLY = 1_000_000  # users up to which prices are also compared at a tolerance of 1e-5


def finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str, times: int) -> float:
    """Return the median on the wall, after one to warm up."""
    taken = []
    for _ in range(times + 1):
        finish(device)
        start = time.perf_counter()
        work()
        finish(device)
        taken.append(time.perf_counter() - start)
    return median(taken[1:])


def copy_speed(device: str) -> float:
    """Return bytes a second, read and written, of a copy within the device."""
    source = torch.randn((1 << 29) if device.startswith("cuda") else (1 << 26), device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / seconds(lambda: target.copy_(source), device, 10)


def compile_kernels(device: str) -> None:
    demand = make_demand(25_000, LIMITS, False)
    bounds = make_bounds(demand, LIMITS)
    for where in (None, device):
        start = time.perf_counter()
        solve(demand, bounds, device=where)
        print(f"first solve on {where or 'processor'}: {time.perf_counter() - start:.1f} s")


def solved(demand: Demand, bounds: Bounds, device: str | None) -> Solution:
    wall, cpu = time.perf_counter(), time.process_time()
    found = solve(demand, bounds, device=device)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    proof = found.certificate
    print(
        f"  solve, {device or 'processor'}: {wall:.2f} s, {cpu:.1f} CPU-s, {proof.passes} passes, "
        f"gap {proof.gap:.1e}, value {proof.value:.8g}, over by {proof.over.max():.2f} units, met {found.met}"
    )
    return found


def compared(ours: Solution, theirs: Solution) -> None:
    largest = np.abs(theirs.prices).max()
    apart, mean = np.abs(ours.prices - theirs.prices).max(), np.abs(ours.prices - theirs.prices).mean()
    change = abs(ours.certificate.value / theirs.certificate.value - 1)
    print(
        f"  prices differ by {apart / largest:.1e} of the largest at most, {mean / largest:.1e} on average, "
        f"values by {change:.1e}; met {ours.met}, {theirs.met}"
    )


def passes(demand: Demand, found: Solution, device: str, speed: float, fused: bool) -> None:
    n, work = len(demand.values), (found.prices, found.temperature)
    floor = 8 * n / speed
    compiled = seconds(lambda: Compiled(demand, LIMITS, 0).softmaxes(*work), device, 3)
    print(f"  a pass, processor: {compiled * 1e3:.1f} ms")
    start = time.perf_counter()
    there = OnDevice.put(demand, LIMITS, device)
    finish(device)
    filled = sum(rows.values.numel() for rows in there.blocks) / n
    print(
        f"  put on {device}: {time.perf_counter() - start:.2f} s, {len(there.blocks)} blocks, "
        f"{filled:.3f} places a candidate"
    )
    agree(Compiled(demand, LIMITS, 0), there, found)
    told = partial(report, floor=floor)
    told("a pass", seconds(lambda: there.softmaxes(*work), device, 10))
    screen = (found.prices, 15 * found.temperature, 0.1 * np.abs(found.prices))
    told("a screen", seconds(lambda: there.screened(*screen), device, 3))
    if fused:
        torch._dynamo.config.recompile_limit = 64
        quick = torch.compile(on_device.softmax_rows, dynamic=True)
        with patch.object(on_device, "softmax_rows", quick):
            start = time.perf_counter()
            there.softmaxes(*work)
            print(f"  fused, first: {time.perf_counter() - start:.1f} s")
            told("a fused pass", seconds(lambda: there.softmaxes(*work), device, 10))
            agree(Compiled(demand, LIMITS, 0), there, found)
    apart = OnDevice.put(demand, LIMITS, device, memory=0)
    told("a pass, candidates in the host's memory", seconds(lambda: apart.softmaxes(*work), device, 3))


def report(name: str, taken: float, floor: float) -> None:
    print(f"  {name}: {taken * 1e3:.3f} ms, floor {floor * 1e3:.3f} ms, {taken / floor:.1f} times")


def agree(one: Compiled, other: OnDevice, found: Solution) -> None:
    a = one.softmaxes(found.prices, found.temperature)
    b = other.softmaxes(found.prices, found.temperature)
    pairs = ((a.smooth, b.smooth), (a.value, b.value), (a.best, b.best), (a.totals, b.totals))
    worst = max(float(np.max(np.abs(x - y) / np.maximum(np.abs(x), 1e-9))) for x, y in pairs)
    print(f"  sums differ by {worst:.1e} at most, relative")


def products(demand: Demand, found: Solution, device: str) -> None:
    """A product with the sampled Hessian, of which a step takes some tens."""
    users = np.arange(0, len(demand), -(-len(demand) // MODEL_USERS))
    step = np.random.default_rng(0).normal(size=LIMITS) * found.prices
    for name, everyone in (
        ("processor", Compiled(demand.take(users), LIMITS, 0)),
        (device, OnDevice.put(demand.take(users), LIMITS, device)),
    ):
        near, _ = everyone.screened(found.prices, 6 * found.temperature, np.zeros(LIMITS))
        covariance = near.covariance(found.prices, found.temperature)
        taken = seconds(lambda covariance=covariance: covariance.product(step), device, 50)
        print(f"  a Hessian product of {len(near)} users, {name}: {taken * 1e6:.0f} us")


def profile(demand: Demand, found: Solution, device: str) -> None:
    there = OnDevice.put(demand, LIMITS, device)
    with torch.profiler.profile() as seen:
        there.softmaxes(found.prices, found.temperature)
        finish(device)
    key = "self_cuda_time_total" if device.startswith("cuda") else "self_cpu_time_total"
    print(seen.key_averages().table(sort_by=key, row_limit=12, max_name_column_width=50))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--no-fused", action="store_true")
    asked = parser.parse_args()
    device, began = asked.device, time.perf_counter()
    cuda = device.startswith("cuda")
    name = torch.cuda.get_device_name() if cuda else "the processor"
    print(f"{name}, PyTorch {torch.__version__}")
    speed = copy_speed(device)
    print(f"copies at {speed / 1e12:.3f} TB/s, read and written")
    compile_kernels(device)
    for users in asked.users:
        demand = make_demand(users, LIMITS, False)
        bounds = make_bounds(demand, LIMITS)
        print(f"{users} users, {len(demand.values)} candidates; {time.perf_counter() - began:.0f} s so far")
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        ours = solved(demand, bounds, device)
        if cuda:
            print(f"  peak on the device: {torch.cuda.max_memory_allocated() / 2**20:.0f} MB")
        theirs = solved(demand, bounds, None)
        compared(ours, theirs)
        if users <= TIGHTLY:
            again = {"temperature": theirs.temperature, "start": theirs.prices, "tolerance": 1e-5, "units": 0}
            compared(solve(demand, bounds, **again, device=device), solve(demand, bounds, **again))
        passes(demand, theirs, device, speed, not asked.no_fused)
        products(demand, theirs, device)
        if asked.profile and users == asked.users[-1]:
            profile(demand, theirs, device)
    print(f"{time.perf_counter() - began:.0f} s, peak {peak_mb()} MB in the host's memory")


if __name__ == "__main__":
    main()
