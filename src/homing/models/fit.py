"""Fit a response model to logged decisions, in five steps.

1. Measure scales of inputs and heads on the training rows.
2. Split a validation part off the training and the calibration rows, whole users at a time.
3. Gradient steps, on small logs for several members; keep the epochs that are best on the validation part.
4. Calibrate each head on the calibration rows.
5. Return it all as one model.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from homing.models.calibration import Scaling, fit_scaling, raw_loss
from homing.models.heads import Head, measure_scales
from homing.models.inputs import ColumnScale, measure_columns
from homing.models.losses import HeadLosses
from homing.models.network import BlockShape, Network, NetworkShape
from homing.models.optimise import optimise
from homing.models.response import ResponseModel, Scales, torch_threads
from homing.models.snapshots import assemble, best_epochs
from homing.models.summary import HeadCalibration, TrainingSummary
from homing.models.tensors import gather_examples
from homing.schema import Features, InputError
from homing.schema.config import Training

_VALIDATION_SHARE: Final = 0.1
_SMALL_LOG: Final = 60_000  # training rows below which members = 'auto' averages several
_SMALL_LOG_MEMBERS: Final = 5
_LEAST_ROWS: Final = 20
_SEED_STEP: Final = 1_000_003  # between members, so that nearby configured seeds share no member
_CONSTANT: Final = Scaling(base_slope=0.0, delta_slope=0.0, shift=0.0)
_BLOCK: Final = 64  # neighbouring rows that stay together when users are not given


def fit_response(
    features: Features,
    outcomes: NDArray[np.float32],
    heads: tuple[Head, ...],
    train: NDArray[np.int64],
    calibration: NDArray[np.int64],
    config: Training,
    threads: int = 0,
    progress: Callable[[float, str], None] | None = None,
) -> ResponseModel:
    """Fit one network with a head per objective to logged decisions, and calibrate it.

    Rows should be sorted by user, as the ledger is: the validation part is taken in blocks of neighbours,
    so that nearly all users are on one side. It holds these users' calibration rows, too: which epoch is best
    for later decisions of users whom training knows by heart, only others tell. The same arguments give the
    same model.

    A head whose outcome never varies in the training rows predicts a constant (`HeadScale`), and is named
    in the summary. With several members, raw outputs are averaged (Lakshminarayanan et al. 2017); each has
    a validation part of its own, so that every row is learned from by nearly all of them.

    Args:
        features: exactly one candidate, the chosen one, a row.
        outcomes: float32 [rows, heads]; NaN where censored, which costs no loss.
        heads: one a column of `outcomes`.
        train: int64 [m] rows to learn from.
        calibration: int64 [c] rows to calibrate on, later than the training rows; may be empty.
        config: of the network and the training.
        threads: of PyTorch, here and in the model's `predict`; 0: PyTorch's choice.
        progress: called with the share done in [0, 1] and a short text.

    Raises:
        InputError: arrays disagree, there are too few training rows, or a head cannot be learned from them.
    """
    started = time.perf_counter()
    report = progress or (lambda _done, _note: None)
    _check(features, outcomes, heads, train, calibration)
    device = torch.device(config.device)
    scales = _measure_inputs(features, train)
    head_scales = measure_scales(heads, outcomes, train)
    rows = np.concatenate([train, calibration])
    examples = gather_examples(features, outcomes, rows, scales, head_scales, device)
    losses = HeadLosses(head_scales, device)
    members = member_count(len(train), config)
    shape = _shape(features, scales, len(heads), config)
    runs, learned = [], []
    for member in range(members):
        held = held_out(rows, config.seed, member)
        learned.append(np.flatnonzero(~held[: len(train)]))
        own = config.model_copy(update={"seed": config.seed + member * _SEED_STEP})
        with torch_threads(threads), torch.random.fork_rng():
            torch.manual_seed(own.seed)
            network = Network(shape).to(device)
            examples.draw_embeddings(network)
            run = optimise(
                network,
                losses,
                examples,
                torch.from_numpy(learned[-1]).to(device),
                torch.from_numpy(np.flatnonzero(held)).to(device),
                own,
                _part_of(report, member, members),
            )
        runs.append(run)
    kept = best_epochs(runs, losses)
    with torch.random.fork_rng():
        networks = tuple(assemble(shape, run, kept).to(device) for run in runs)
    summary = TrainingSummary(
        train_rows=len(learned[0]),
        validation_rows=len(runs[0].outcome),
        calibration_rows=len(calibration),
        losses=runs[0].losses,
        baseline_epochs=kept.baselines,
        delta_epoch=kept.delta,
        calibration=(),
        seconds=time.perf_counter() - started,
        rows_per_second=float(np.mean([run.rows_per_second for run in runs])),
        members=members,
        constant=tuple(head.name for head, scale in zip(heads, head_scales, strict=True) if scale.constant),
    )
    model = ResponseModel(
        spec=features.spec,
        heads=heads,
        head_scales=head_scales,
        scales=scales,
        networks=networks,
        scalings=(Scaling(),) * len(heads),
        summary=summary,
        device=config.device,
        threads=threads,
    )
    return calibrate(model, features, outcomes, calibration)


def calibrate(
    model: ResponseModel,
    features: Features,
    outcomes: NDArray[np.float32],
    rows: NDArray[np.int64],
) -> ResponseModel:
    """Return the model calibrated on the given rows (int64 [c], may be empty) instead of as it was.

    Args:
        model: whatever calibration it has is replaced.
        features: one candidate a row.
        outcomes: float32 [rows, heads], NaN where censored.
        rows: to calibrate on.
    """
    started = time.perf_counter()
    base, delta = (part.double().numpy() for part in model.raw(features.take_rows(rows)))
    scalings, facts = [], []
    for place, (head, scale) in enumerate(zip(model.heads, model.head_scales, strict=True)):
        known = np.isfinite(outcomes[rows, place])
        outcome = outcomes[rows[known], place].astype(np.float64) / scale.unit
        b, d = base[known, place], delta[known, place]
        if scale.constant:
            b, d = np.zeros_like(b), np.zeros_like(d)
        found = _CONSTANT if scale.constant else fit_scaling(b, d, outcome, scale.start, scale.link)
        after = scale.start + found.shift + found.base_slope * b + found.delta_slope * d
        scalings.append(found)
        facts.append(
            HeadCalibration(
                name=head.name,
                rows=len(outcome),
                loss_before=raw_loss(scale.start + b + d, outcome, scale.link),
                loss_after=raw_loss(after, outcome, scale.link),
                base_slope=found.base_slope,
                delta_slope=found.delta_slope,
                shift=found.shift,
            )
        )
    seconds = model.summary.seconds + time.perf_counter() - started
    summary = dataclasses.replace(model.summary, calibration=tuple(facts), seconds=seconds)
    return model.with_calibration(tuple(scalings), summary)


def member_count(rows: int, config: Training) -> int:
    """Return how many networks are averaged on that many training rows."""
    if config.members == "auto":
        return _SMALL_LOG_MEMBERS if rows < _SMALL_LOG else 1
    return config.members


def held_out(rows: NDArray[np.int64], seed: int, member: int = 0) -> NDArray[np.bool_]:
    """Return which of the rows, distinct places in the log, are a member's validation part: bool [rows].

    About a tenth, in blocks of neighbours in the log. Members take one part after the other of the same
    shuffled blocks, and begin anew after the last.
    """
    block = min(_BLOCK, max(1, len(rows) // 20))
    block_of = np.empty(len(rows), np.int64)
    block_of[np.argsort(rows, kind="stable")] = np.arange(len(rows)) // block
    blocks = -(-len(rows) // block)
    share = max(1, round(blocks * _VALIDATION_SHARE))
    part = (member * share + np.arange(share)) % blocks
    return np.isin(block_of, np.random.default_rng(seed).permutation(blocks)[part])


def _part_of(report: Callable[[float, str], None], part: int, parts: int) -> Callable[[float, str], None]:
    """Return a listener that shows one of several members as its part of the fit."""
    if parts == 1:
        return report
    return lambda done, note: report((part + done) / parts, f"network {part + 1} of {parts}, {note}")


def _measure_inputs(features: Features, train: NDArray[np.int64]) -> Scales:
    message = features.message[train]
    sent = train[message >= 0]
    return Scales(
        user=measure_columns(features.user[train]),
        message=measure_columns(features.messages[np.unique(message[message >= 0])]),
        candidate=measure_columns(features.candidate[sent]),  # what hold has there reaches nothing
    )


def _shape(features: Features, scales: Scales, heads: int, config: Training) -> NetworkShape:
    def block(scale: ColumnScale, codes: tuple[tuple[str, int], ...]) -> BlockShape:
        return BlockShape(scale.columns, tuple(size for _, size in codes))

    return NetworkShape(
        user=block(scales.user, features.spec.user_codes),
        message=block(scales.message, features.spec.message_codes),
        candidate=block(scales.candidate, features.spec.candidate_codes),
        heads=heads,
        hidden=config.hidden,
        embedding=config.embedding,
        dropout=config.dropout,
    )


def _check(
    features: Features,
    outcomes: NDArray[np.float32],
    heads: tuple[Head, ...],
    train: NDArray[np.int64],
    calibration: NDArray[np.int64],
) -> None:
    rows = len(features.offsets) - 1
    if len(features) != rows or (np.diff(features.offsets) != 1).any():
        raise InputError(
            f"features hold {len(features)} candidates in {rows} rows; training needs exactly one a row, "
            "the chosen one"
        )
    if outcomes.shape != (rows, len(heads)):
        raise InputError(
            f"outcomes.shape == {outcomes.shape}, must be {(rows, len(heads))}: a row a decision, "
            "a column a head"
        )
    if not heads:
        raise InputError("heads == (), must name at least one objective; add one to homing.toml")
    if len(train) < _LEAST_ROWS:
        raise InputError(
            f"{len(train)} training rows, need at least {_LEAST_ROWS}; ingest a longer log, or shorten the "
            "objectives' windows so that more decisions are complete"
        )
    for name, part in (("train", train), ("calibration", calibration)):
        if len(part) and (part.min() < 0 or part.max() >= rows):
            raise InputError(f"{name} names rows outside [0, {rows})")
    if np.intersect1d(train, calibration).size:
        raise InputError("train and calibration share rows; a model cannot be calibrated on what it learned")
