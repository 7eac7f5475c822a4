"""What a training run did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochLoss:
    """Loss after one pass: the mean over heads of the loss above the best constant's, below 0: better."""

    train: float  # running mean over the pass, with dropout
    validation: float  # of the averaged weights


@dataclass(frozen=True)
class HeadCalibration:
    """Loss of one head on the calibration rows, before and after calibration, and what it did."""

    name: str
    rows: int  # calibration rows with a known outcome
    loss_before: float  # log loss, Poisson deviance / 2 or squared error / 2, per row
    loss_after: float
    base_slope: float  # factor on the user's baseline
    delta_slope: float  # factor on what the message changes
    shift: float


@dataclass(frozen=True)
class TrainingSummary:
    """Facts about a fit. Times are NaN after loading: equal models are equal files."""

    train_rows: int  # that the first member learned from; others leave out other validation rows
    validation_rows: int  # of the first member, calibration rows among them
    calibration_rows: int
    losses: tuple[EpochLoss, ...]  # one an epoch, of the first member
    baseline_epochs: tuple[int, ...]  # of each head: place in `losses` whose weights were kept
    delta_epoch: int  # the same for what messages change
    calibration: tuple[HeadCalibration, ...]
    seconds: float  # of the whole fit
    rows_per_second: float  # training rows through gradient steps, validation included
    members: int = 1  # networks that are averaged
    constant: tuple[str, ...] = ()  # heads whose outcome never varied in training: they predict a constant
