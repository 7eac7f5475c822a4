"""Rows a second of `fit_response`'s gradient steps beside a bare PyTorch loop over the same tensors.

    python benchmarks/train.py --rows 200000 --threads 1

The bare loop has the same network, loss, optimiser and batches, and nothing else: no shuffling, schedule,
averaged weights, validation or progress. Both take turns, so that both meet the same load. Target: 80 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import torch
from response_logs import streaming

from homing.models.fit import fit_response
from homing.models.heads import measure_scales
from homing.models.losses import HeadLosses
from homing.models.network import Network
from homing.models.optimise import batch_size
from homing.models.response import torch_threads
from homing.models.tensors import Examples, gather_examples
from homing.schema.config import Training


def bare(
    network: Network, losses: HeadLosses, examples: Examples, size: int, epochs: int, config: Training
) -> float:
    """Return rows a second."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, fused=True)
    order = torch.randperm(len(examples))
    steps = len(examples) // size
    network.train()
    started = time.perf_counter()
    for _ in range(epochs):
        for step in range(steps):
            rows = order[step * size : (step + 1) * size]
            raw = examples.raw(network, rows) + losses.start
            loss = losses(raw, examples.outcome[rows], examples.known[rows]).sum() / size
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return epochs * steps * size / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    config = Training(members=1, epochs=2)
    log = streaming(options.rows, 0)
    none = np.array([], np.int64)
    ours, theirs = [], []
    for turn in range(options.turns):
        model = fit_response(log.features, log.outcomes, log.heads, log.train, none, config, options.threads)
        ours.append(model.summary.rows_per_second)
        scales = measure_scales(log.heads, log.outcomes, log.train)
        device = torch.device("cpu")
        examples = gather_examples(log.features, log.outcomes, log.train, model.scales, scales, device)
        with torch_threads(options.threads):
            size = batch_size(len(examples), config)
            shape = dataclasses.replace(model.networks[0].shape, baselines=1)  # one is trained, two are kept
            network, losses = Network(shape), HeadLosses(scales, device)
            theirs.append(bare(network, losses, examples, size, config.epochs, config))
        print(f"turn {turn}: fit_response {ours[-1]:,.0f} rows/s, bare loop {theirs[-1]:,.0f} rows/s")
    print(f"ratio of medians: {np.median(ours) / np.median(theirs):.2f} (target 0.80)")


if __name__ == "__main__":
    main()
