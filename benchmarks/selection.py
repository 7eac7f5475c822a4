"""Error of doubly robust estimates whose clipping is selected from the log, beside none and beside the best.

python benchmarks/selection.py [logs]     root mean squared errors over so many logs of 1,000 decisions
"""

from __future__ import annotations

import sys

import numpy as np

from homing.evaluation import (
    bias_against,
    bias_bound,
    dr,
    importance_weights,
    select_by_mse,
    select_by_slope,
    shrink,
    shrinkage_grid,
)

ROWS, ACTIONS = 1_000, 10
#: Predictions as a function of the right ones: noisy, all alike, half of what is right.
MODELS = {
    "good": lambda q, rng: q + rng.normal(scale=0.2, size=q.shape),
    "flat": lambda q, _: np.full(q.shape, 0.5),
    "halved": lambda q, _: 0.5 * q,
}


def errors(model: str, spread: float, seed: int) -> dict[str, float]:
    """Return estimate less truth; `spread` is how peaked the target is against the log."""
    rng = np.random.default_rng(seed)

    def policy(scale: float) -> np.ndarray:
        score = np.exp(rng.normal(scale=scale, size=(ROWS, ACTIONS)))
        return score / score.sum(axis=1, keepdims=True)

    logging, target, rows = policy(spread / 2), policy(spread), np.arange(ROWS)
    action = np.minimum((rng.random((ROWS, 1)) > logging.cumsum(axis=1)).sum(axis=1), ACTIONS - 1)
    q = rng.random((ROWS, ACTIONS))
    predicted = MODELS[model](q, rng)
    reward = (rng.random(ROWS) < q[rows, action]).astype(float)
    weight = importance_weights(target[rows, action], logging[rows, action])
    of_choice, offsets = predicted[rows, action], np.arange(ROWS + 1) * ACTIONS
    arguments = (reward, weight, target.ravel(), predicted.ravel(), of_choice, offsets)
    plain = dr(*arguments)
    grid = shrinkage_grid(weight, "clip", 12)
    found = [dr(*arguments, shrinkage=each) for each in grid]
    bounds = [bias_bound(reward - of_choice, weight, shrink(weight, each)) for each in grid]
    direct = [bias_against(each, plain) for each in found]
    against = [bias_against(each, plain, confidence=0.95) for each in found]
    values = {
        "none": plain.value,
        "SLOPE": select_by_slope(found).estimate.value,
        "bias_against": select_by_mse(found, direct).estimate.value,
        "bias_bound": select_by_mse(found, bounds).estimate.value,
        "bias_against 95 %": select_by_mse(found, against).estimate.value,
    }
    values |= {f"grid {place}": each.value for place, each in enumerate(found)}
    truth = float((target * q).sum(axis=1).mean())
    return {name: value - truth for name, value in values.items()}


def main(logs: int) -> None:
    for spread in (1.0, 3.0):
        for model in MODELS:
            each = [errors(model, spread, seed) for seed in range(logs)]
            rmse = {name: float(np.sqrt(np.mean([e[name] ** 2 for e in each]))) for name in each[0]}
            best = min(value for name, value in rmse.items() if name.startswith("grid"))
            shown = ", ".join(f"{name} {v:.4f}" for name, v in rmse.items() if not name.startswith("grid"))
            print(f"target spread {spread}, {model} predictions: {shown}, best of the grid {best:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
