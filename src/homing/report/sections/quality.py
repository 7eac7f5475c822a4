"""How well the response model predicts decisions that it never saw."""

from __future__ import annotations

from homing.report.canvas import ACCENT, MUTED
from homing.report.facts import ObjectiveQuality, Quality
from homing.report.numbers import count, plain
from homing.report.plots.lines import Line, calibration, lines
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    count_cell,
    interval_cell,
    number_cell,
    picture,
    slug,
)


def quality_section(quality: Quality) -> Section:
    """Loss against a constant, ranking, calibration, and the training curve."""
    lead = f"Tested on {count(quality.test_decisions)} decisions that training never saw"
    lead += f" ({quality.split})." if quality.split else "."
    weak = [one.objective for one in quality.objectives if one.skill <= 0]
    if weak:
        lead += f" No better than predicting the mean for everybody: {', '.join(weak)}."
    summary = Table(
        (
            "Objective",
            "Observed mean",
            "Predicted mean",
            "Skill",
            "AUC",
            "Calibration error",
            "Loss",
            "Constant’s loss",
        ),
        tuple(_row(one) for one in quality.objectives),
        caption="Prediction by objective",
    )
    blocks: list[Block] = [summary]
    for place, one in enumerate(quality.objectives):
        if one.calibration:
            blocks.append(_calibration(one, place))
    if quality.epochs:
        blocks.append(_training(quality))
    if any(one.calibration for one in quality.objectives):
        blocks.append(_bins(quality))
    if quality.epochs:
        blocks.append(
            Table(
                ("Epoch", "Training loss", "Validation loss"),
                tuple(
                    (count_cell(row.epoch), number_cell(row.training), number_cell(row.validation))
                    for row in quality.epochs
                ),
                caption="Numbers: training",
                folded=True,
            )
        )
    return Section("model", "Model", lead, tuple(blocks))


def _row(one: ObjectiveQuality) -> tuple[Cell, ...]:
    return (
        Cell(one.objective, detail=one.loss_name),
        number_cell(one.base, one.unit),
        number_cell(one.predicted, one.unit),
        number_cell(one.skill, "rate"),
        number_cell(one.auc),
        number_cell(one.calibration_error, one.unit),
        number_cell(one.loss),
        number_cell(one.constant_loss),
    )


def _calibration(one: ObjectiveQuality, place: int) -> Picture:
    predicted = [group.predicted for group in one.calibration]
    observed = [(group.observed.value, group.observed.low, group.observed.high) for group in one.calibration]
    return picture(
        f"calibration-{place}-{slug([one.objective])}",
        f"Calibration: {one.objective}",
        lambda width: calibration(predicted, observed, width, one.unit),
        description=f"Observed mean over predicted mean of {one.objective} in {len(predicted)} groups; "
        f"calibration error {plain(one.calibration_error, one.unit)}",
        half=True,
    )


def _training(quality: Quality) -> Picture:
    epochs = [row.epoch for row in quality.epochs]
    curves = [
        Line("training", epochs, [row.training for row in quality.epochs], MUTED, dashed=True),
        Line("validation", epochs, [row.validation for row in quality.epochs], ACCENT),
    ]
    best = (
        f" Kept for what messages change: epoch {quality.best_epoch}."
        if quality.best_epoch is not None
        else ""
    )
    return picture(
        "training",
        "Training",
        lambda width: lines(
            curves,
            width,
            round(width * 0.72),
            kind="number",
            x_label="epoch",
            y_label="mean loss above a constant’s",
        ),
        description=f"Training and validation loss over {len(epochs)} epochs.{best}",
        half=True,
        note=best.strip(),
    )


def _bins(quality: Quality) -> Table:
    return Table(
        ("Objective", "Decisions", "Predicted", "Observed"),
        tuple(
            (
                Cell(one.objective),
                count_cell(group.decisions),
                number_cell(group.predicted, one.unit),
                interval_cell(group.observed, one.unit),
            )
            for one in quality.objectives
            for group in one.calibration
        ),
        caption="Numbers: calibration",
        folded=True,
    )
