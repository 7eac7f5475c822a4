"""Train d3rlpy's DiscreteCQL or DoubleDQN on transitions in a file; `long_term.py` starts this elsewhere.

    python3.11 -m venv /tmp/d3
    /tmp/d3/bin/pip install d3rlpy==2.8.1 torch==2.13.0
    /tmp/d3/bin/python benchmarks/long_term_d3rlpy.py cql 3000 0 transitions.npz weights.npz

Nothing of Homing is imported. The weights are those of the layers, to be run without d3rlpy.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings

import d3rlpy
import numpy as np
import structlog
import torch
from d3rlpy.logging import NoopAdapterFactory

HIDDEN, BATCH, RATE, SYNCS = (256, 256), 256, 3e-4, 60


def main(algorithm: str, steps: str, seed: str, source: str, target: str) -> None:
    """Train, check that plain layers say the same, and write them."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    log = np.load(source)
    with contextlib.redirect_stdout(None):
        data = d3rlpy.dataset.MDPDataset(
            log["state"],
            log["action"][:, None],
            log["reward"][:, None],
            np.zeros(len(log["reward"]), np.float32),
            log["cut"].astype(np.float32),
            action_size=int(log["actions"]),
        )
    d3rlpy.seed(int(seed))
    kind = {"cql": d3rlpy.algos.DiscreteCQLConfig, "dqn": d3rlpy.algos.DoubleDQNConfig}[algorithm]
    learner = kind(
        batch_size=BATCH,
        gamma=float(log["gamma"]),
        learning_rate=RATE,
        target_update_interval=max(int(steps) // SYNCS, 1),
        encoder_factory=d3rlpy.models.VectorEncoderFactory(hidden_units=list(HIDDEN)),
        reward_scaler=d3rlpy.preprocessing.StandardRewardScaler(),
    ).create(device="cpu:0")
    learner.fit(
        data,
        n_steps=int(steps),
        n_steps_per_epoch=int(steps),
        show_progress=False,
        logger_adapter=NoopAdapterFactory(),
    )
    layers = [m for m in learner.impl.q_function[0].modules() if isinstance(m, torch.nn.Linear)]
    plain = {}
    for place, layer in enumerate(layers):
        plain[f"weight{place}"] = layer.weight.detach().numpy()
        plain[f"bias{place}"] = layer.bias.detach().numpy()
    state, action = log["state"][:256], log["action"][:256]
    ours = state
    for place in range(len(layers)):
        ours = ours @ plain[f"weight{place}"].T + plain[f"bias{place}"]
        ours = np.maximum(ours, 0) if place + 1 < len(layers) else ours
    taken = ours[np.arange(len(state)), action]
    np.testing.assert_allclose(taken, learner.predict_value(state, action[:, None]), rtol=1e-3, atol=1e-4)
    np.savez(target, **plain, cpu_s=time.process_time())


if __name__ == "__main__":
    main(*sys.argv[1:])
