"""Value learning where dynamic programming knows the truth, beside d3rlpy's DiscreteCQL and DoubleDQN.

python benchmarks/value_exact.py [seeds] [steps]   three processes, two loggers; 2 seeds and 600 steps

Every learner has the same log, network, batch, learning rate and number of steps; its policy is the best
candidate by its values, and that policy's value is solved for, not estimated. d3rlpy 2.8.1 is compared where
it can be imported:
    python3.11 -m venv /tmp/d3
    /tmp/d3/bin/pip install d3rlpy==2.8.1 torch==2.13.0 pydantic
    PYTHONPATH=src OMP_NUM_THREADS=1 /tmp/d3/bin/python -W ignore benchmarks/value_exact.py
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from homing.models.value import (
    ConservativeQ,
    FittedQ,
    ImplicitQ,
    Logged,
    Softmax,
    Transitions,
    ValueModel,
    ValueSettings,
    fit_values,
    horizon_of,
    improve,
    make_transitions,
)
from homing.simulator.solvable import CHOICES, FATIGUE, MessagingProcess, SolvableLog, tilted

GAMMA, WEIGHTS = 0.97, (1.0, 5.0)
USERS, DAYS, BATCH, RATE, HIDDEN = 2_000, 40, 256, 3e-3, (64, 64)
TEMPERATURE, STRENGTH = 0.1, 1.0
PROCESSES = {
    "tolerant": MessagingProcess(tires=(0.0, 0.03, 0.05, 0.1), churn_step=0.002, recovery=0.5),
    "mixed": MessagingProcess(tires=(0.0, 0.08, 0.2, 0.45), churn_step=0.004, recovery=0.5),
    "tiring": MessagingProcess(),
}
LOGGERS = {"mostly none": (0.85, 0.05, 0.05, 0.05), "even": (0.25, 0.25, 0.25, 0.25)}


def columns(log: SolvableLog) -> Transitions:
    n, A = log.propensity.shape
    return make_transitions(
        user=log.user,
        state=np.eye(FATIGUE)[log.fatigue],
        offsets=np.arange(n + 1) * A,
        action=np.tile(np.arange(A), n),
        actions=np.eye(A),
        hold=np.arange(A) == 0,
        choice=log.choice,
        reward=log.reward,
        elapsed=np.ones(n),
        following=log.following,
        propensity=log.propensity.ravel(),
    )


def table(model: ValueModel) -> Any:
    """Return the model's advantages, [fatigue, choices, objectives]."""
    A = len(CHOICES)
    found = model.advantages(
        np.eye(FATIGUE, dtype=np.float32),
        np.arange(FATIGUE + 1) * A,
        np.tile(np.arange(A, dtype=np.int32), FATIGUE),
        np.eye(A, dtype=np.float32),
        np.arange(A) == 0,
    )
    return found.mean.reshape(FATIGUE, A, -1)


def ours(data: Transitions, seed: int, steps: int) -> dict[str, Callable[[], Any]]:
    """Return what makes utilities [fatigue, choices], by name."""
    settings = ValueSettings(
        hidden=HIDDEN, batch_size=BATCH, steps=steps, learning_rate=RATE, target_rate=0.03, seed=seed
    )
    horizons, held = (horizon_of(GAMMA),) * 2, Softmax(WEIGHTS, TEMPERATURE, held=True)
    free = Softmax(WEIGHTS, TEMPERATURE)

    def fit(algorithm: Any) -> Any:
        return table(fit_values(algorithm, data, horizons, settings)) @ WEIGHTS

    return {
        "one round": lambda: fit(FittedQ(Logged())),
        "two rounds": lambda: table(improve(data, held, horizons, settings, 2)[0]) @ WEIGHTS,
        "CQL, anchored": lambda: fit(ConservativeQ(free, STRENGTH)),
        "CQL, as published": lambda: fit(ConservativeQ(free, STRENGTH, anchored=False)),
        "IQL": lambda: fit(ImplicitQ(WEIGHTS)),
        "horizon 0": lambda: table(fit_values(FittedQ(Logged()), data, (0, 0), settings)) @ WEIGHTS,
    }


def theirs(log: SolvableLog, seed: int, steps: int) -> dict[str, Callable[[], Any]]:
    """Return the same of d3rlpy, where there is one."""
    try:
        import d3rlpy
        import structlog
    except ImportError:
        return {}
    from d3rlpy.logging import NoopAdapterFactory

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    states = np.eye(FATIGUE, dtype=np.float32)
    with contextlib.redirect_stdout(None):
        data = d3rlpy.dataset.MDPDataset(
            states[log.fatigue],
            log.choice[:, None],
            (log.reward @ WEIGHTS).astype(np.float32)[:, None],
            (log.following == -1).astype(np.float32),
            (log.following == -2).astype(np.float32),
            action_size=len(CHOICES),
        )
    common = {
        "batch_size": BATCH,
        "gamma": GAMMA,
        "learning_rate": RATE,
        "target_update_interval": 33,
        "encoder_factory": d3rlpy.models.VectorEncoderFactory(hidden_units=list(HIDDEN)),
    }

    def fit(config: Any) -> Any:
        d3rlpy.seed(seed)
        learner = config.create(device="cpu:0")
        learner.fit(
            data,
            n_steps=steps,
            n_steps_per_epoch=steps,
            show_progress=False,
            logger_adapter=NoopAdapterFactory(),
        )
        A = len(CHOICES)
        values = learner.predict_value(np.repeat(states, A, 0), np.tile(np.arange(A), FATIGUE)[:, None])
        return values.reshape(FATIGUE, A)

    algos = d3rlpy.algos
    return {
        "d3rlpy CQL, alpha 1": lambda: fit(algos.DiscreteCQLConfig(alpha=1.0, **common)),
        "d3rlpy CQL, alpha 0.1": lambda: fit(algos.DiscreteCQLConfig(alpha=0.1, **common)),
        "d3rlpy DoubleDQN": lambda: fit(algos.DoubleDQNConfig(**common)),
    }


def main(seeds: int = 2, steps: int = 600) -> None:
    torch.set_num_threads(1)
    weights = np.array(WEIGHTS)
    for process_name, process in PROCESSES.items():
        optimum = process.best(weights, GAMMA)
        for logger_name, chances in LOGGERS.items():
            logger = np.tile(chances, (FATIGUE, 1))
            q = process.values(logger, GAMMA)
            low, high = process.worth(logger, GAMMA) @ weights, process.worth(optimum, GAMMA) @ weights
            exact = process.worth(tilted(q @ weights, 1e-6, np.ones_like(logger)), GAMMA) @ weights
            best = " ".join(CHOICES[choice] for choice in optimum.argmax(1))
            print(f"\n{process_name}, logger {logger_name}: worth {low:.2f}; best {high:.2f}: {best}")
            print(f"  one exact round reaches {(exact - low) / (high - low):.0%} of the gain")
            found: dict[str, list[Any]] = {}
            for seed in range(seeds):
                log = process.log(logger, USERS, DAYS, seed)
                for name, learn in (ours(columns(log), seed, steps) | theirs(log, seed, steps)).items():
                    started = time.process_time()
                    utility = learn()
                    found.setdefault(name, []).append((utility, time.process_time() - started))
            for name, runs in found.items():
                policies = [np.eye(len(CHOICES))[utility.argmax(1)] for utility, _ in runs]
                share = [(process.worth(pi, GAMMA) @ weights - low) / (high - low) for pi in policies]
                only_none = sum(bool(pi[:, 0].all()) for pi in policies)
                print(
                    f"  {name:22s} share of the gain {' '.join(f'{x:+7.0%}' for x in share)}   "
                    f"sends nothing in {only_none} of {seeds}   {np.mean([s for _, s in runs]):.0f} CPU-s",
                    flush=True,
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
