"""Loss, calibration error and time of the response model beside generalised linear models and LightGBM.

    python benchmarks/response_model.py --hillstrom hillstrom.csv --seeds 5
    python benchmarks/response_model.py --rows 400000 --seeds 2
    python benchmarks/response_model.py --workspace demo --most 60000 --seeds 3

Yes/no heads are scored by log loss, heads of a mean by Poisson deviance (outcomes must not be negative).
Peers see the same columns: codes one-hot (logistic and Poisson regression) or as categories (LightGBM),
hold as a message of its own. They get the calibration rows too: the linear ones learn from them, LightGBM
stops early on them and takes the better of two shapes. They need, in an environment of their own:
pip install scikit-learn lightgbm
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from response_logs import Log, hillstrom, streaming, workspace_log

from homing.models import fit_response
from homing.schema.config import Training

Prediction = NDArray[np.float64]


def ours(log: Log, config: Training, threads: int) -> tuple[dict[str, Prediction], float]:
    """Return test predictions by head and seconds: one network for all heads."""
    started = time.perf_counter()
    model = fit_response(log.features, log.outcomes, log.heads, log.train, log.calibration, config, threads)
    seconds = time.perf_counter() - started
    test = log.features.take_rows(log.test)
    predicted = model.predict(test).astype(np.float64)
    if log.truth is not None and log.truth_hold is not None:
        sent = ~test.is_hold
        held = model.predict(dataclasses.replace(test, message=np.full_like(test.message, -1)))
        found, truth = (predicted - held)[sent], (log.truth - log.truth_hold)[log.test[sent]]
        for place, head in enumerate(log.heads):
            near = np.corrcoef(found[:, place], truth[:, place])[0, 1]
            slope = np.polyfit(found[:, place], truth[:, place], 1)[0]
            print(
                f"{head.name}: contrast to hold, true on predicted: correlation {near:.3f}, slope {slope:.2f}"
            )
    return {head.name: predicted[:, place] for place, head in enumerate(log.heads)}, seconds


def columns(log: Log) -> tuple[NDArray[np.float32], NDArray[np.int32], list[int]]:
    """Return numeric columns, codes from 0 (missing) on, and the sizes of the code spaces."""
    features = log.features
    sent = (features.message >= 0)[:, None]
    numeric = np.hstack(
        [
            features.user,
            np.where(sent, features.candidate, np.nan),
            np.where(sent, features.messages[features.message], np.nan),
        ]
    )
    codes = np.hstack(
        [
            features.user_codes,
            np.where(sent, features.candidate_codes, -1),
            np.where(sent, features.messages_codes[features.message], -1),
        ]
    )
    spec = features.spec
    sizes = [size + 1 for _, size in (*spec.user_codes, *spec.candidate_codes, *spec.message_codes)]
    return numeric, codes + 1, sizes


def known(log: Log, rows: NDArray[np.int64], place: int) -> NDArray[np.int64]:
    return rows[np.isfinite(log.outcomes[rows, place])]


def linear(log: Log, places: list[int], threads: int) -> tuple[dict[str, Prediction], float]:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression, PoissonRegressor
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    started = time.perf_counter()
    numeric, codes, sizes = columns(log)
    missing = np.isnan(numeric)
    numeric, missing = numeric[:, ~missing.all(axis=0)], missing[:, ~missing.all(axis=0)]
    numeric = np.where(missing, np.nanmean(numeric, axis=0), numeric)
    flags = missing[:, missing.any(axis=0)].astype(np.float32)
    fit = np.concatenate([log.train, log.calibration])
    scaled = StandardScaler().fit(numeric[fit]).transform(numeric)
    encoder = OneHotEncoder(categories=[np.arange(size) for size in sizes], dtype=np.float32)
    matrix = hstack([csr_matrix(scaled), csr_matrix(flags), encoder.fit_transform(codes)], format="csr")
    found = {}
    for place in places:
        head, rows = log.heads[place], known(log, fit, place)
        if head.kind == "binary":
            logistic = LogisticRegression(C=1.0, max_iter=300).fit(matrix[rows], log.outcomes[rows, place])
            found[head.name] = logistic.predict_proba(matrix[log.test])[:, 1]
        else:
            poisson = PoissonRegressor(alpha=1e-4, max_iter=300).fit(matrix[rows], log.outcomes[rows, place])
            found[head.name] = poisson.predict(matrix[log.test])
    return found, time.perf_counter() - started


def boosted(log: Log, places: list[int], threads: int) -> tuple[dict[str, Prediction], float]:
    import lightgbm

    started = time.perf_counter()
    numeric, codes, _ = columns(log)
    matrix = np.hstack([numeric, codes.astype(np.float32)])
    categorical = list(range(numeric.shape[1], matrix.shape[1]))
    found = {}
    for place in places:
        best = (np.inf, np.empty(0))
        binary = log.heads[place].kind == "binary"
        train, later = known(log, log.train, place), known(log, log.calibration, place)
        for leaves, smallest in ((31, 20), (8, 200)):
            data = lightgbm.Dataset(
                matrix[train], log.outcomes[train, place], categorical_feature=categorical
            )
            held = data.create_valid(matrix[later], log.outcomes[later, place])
            settings = {
                "objective": "binary" if binary else "poisson",
                "learning_rate": 0.05,
                "num_leaves": leaves,
                "min_data_in_leaf": smallest,
                "num_threads": threads,
                "verbose": -1,
                "seed": 0,
            }
            stop = lightgbm.early_stopping(30, verbose=False)
            model = lightgbm.train(settings, data, 600, valid_sets=[held], callbacks=[stop])
            loss = next(iter(model.best_score["valid_0"].values()))
            if loss < best[0]:
                best = (loss, model.predict(matrix[log.test]))
        found[log.heads[place].name] = best[1]
    return found, time.perf_counter() - started


def mean_loss(kind: str, predicted: Prediction, outcome: NDArray[np.float32]) -> float:
    """Return the log loss, or the mean Poisson deviance 2 (y ln(y / m) - y + m)."""
    if kind == "mean":
        y, m = outcome.astype(np.float64), np.maximum(predicted, 1e-9)
        return float(2 * np.mean(y * np.log(np.where(y > 0, y, 1) / m) - y + m))
    p = np.clip(predicted, 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(outcome > 0, np.log(p), np.log1p(-p))))


def calibration_error(predicted: Prediction, outcome: NDArray[np.float32], bins: int = 20) -> float:
    """Return the mean distance of mean prediction and mean outcome over bins of equal size."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, bins)
    gaps = [abs(predicted[part].mean() - outcome[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(order))


def compare(make: Callable[[int], Log], seeds: int, config: Training, threads: int) -> None:
    """Print one line a head and learner: means over seeds and the standard error of the difference."""
    losses: dict[tuple[str, str], list[float]] = {}
    errors: dict[tuple[str, str], list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in range(seeds):
        log = make(seed)
        places = list(range(len(log.heads)))
        print(
            f"{len(log.train)} train, {len(log.calibration)} calibrate, {len(log.test)} test", file=sys.stderr
        )
        results = {
            "homing": ours(log, config.model_copy(update={"seed": seed}), threads),
            "linear": linear(log, places, threads),
            "lightgbm": boosted(log, places, threads),
        }
        for learner, (predictions, spent) in results.items():
            seconds.setdefault(learner, []).append(spent)
            for place in places:
                head, outcome = log.heads[place], log.outcomes[log.test, place]
                name, seen = head.name, np.isfinite(outcome)
                predicted, outcome = predictions[name][seen], outcome[seen]
                losses.setdefault((name, learner), []).append(mean_loss(head.kind, predicted, outcome))
                errors.setdefault((name, learner), []).append(calibration_error(predicted, outcome))
        print(f"seed {seed} done", file=sys.stderr)
    titles = ("loss", "less homing", "s.e.", "cal. error", "fit s")
    print(f"{'head':<14}{'learner':<10}" + "".join(f"{title:>13}" for title in titles))
    for (name, learner), values in losses.items():
        over = np.array(values) - np.array(losses[name, "homing"])
        spread = over.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
        print(
            f"{name:<14}{learner:<10}{np.mean(values):>13.5f}{over.mean():>+13.5f}{spread:>13.5f}"
            f"{np.mean(errors[name, learner]):>13.5f}{np.mean(seconds[learner]):>13.1f}"
        )
    for name in dict.fromkeys(name for name, _ in losses):
        peer = min(np.mean(losses[name, learner]) for learner in ("linear", "lightgbm"))
        ratio = np.mean(losses[name, "homing"]) / peer
        print(f"{name}: homing / better peer = {ratio:.5f} (at most 1 is level)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--hillstrom", type=Path)
    source.add_argument("--workspace", type=Path)
    source.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--most", type=int, default=150_000, help="decisions of the workspace")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.hillstrom:
        compare(lambda seed: hillstrom(options.hillstrom, seed), options.seeds, Training(), options.threads)
    elif options.workspace:
        compare(
            lambda seed: workspace_log(options.workspace, options.most, seed),
            options.seeds,
            Training(),
            options.threads,
        )
    else:
        compare(lambda seed: streaming(options.rows, seed), options.seeds, Training(), options.threads)


if __name__ == "__main__":
    main()
