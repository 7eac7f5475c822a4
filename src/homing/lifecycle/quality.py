"""How far the data and the model can be believed, on decisions that training never saw."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from homing import evaluation
from homing.evaluation import cluster
from homing.lifecycle.estimates import unit_of
from homing.lifecycle.release import Release
from homing.lifecycle.valuation import Valued
from homing.report.facts import (
    CalibrationBin,
    Estimate,
    ObjectiveQuality,
    PropensityCheck,
    Quality,
    TrainingEpoch,
    Uplift,
)
from homing.schema import Config, Vocabularies

_ENOUGH_TO_CALL_IMPOSSIBLE = 200  # decisions without one hold: the policy could not hold


def model_quality(config: Config, release: Release, valued: Valued) -> Quality:
    """Return loss, ranking and calibration of the release's model for the logged choices."""
    objectives = []
    for k, name in enumerate(release.objectives):
        known = np.isfinite(valued.outcome[:, k])
        if not known.any():
            continue
        outcome = valued.outcome[known, k].astype(np.float64)
        predicted = valued.expected[known, k].astype(np.float64)
        binary = config.objectives[name].aggregate == "any"
        loss = evaluation.log_loss if binary else evaluation.brier
        curve = evaluation.calibration_curve(
            predicted,
            outcome,
            10,
            cluster(valued.user[known], len(outcome)),
            confidence=config.evaluation.confidence,
        )
        bins = zip(curve.prediction, curve.outcome, curve.low, curve.high, curve.rows, strict=True)
        objectives.append(
            ObjectiveQuality(
                objective=name,
                unit=unit_of(config.objectives[name]),
                decisions=len(outcome),
                base=float(outcome.mean()),
                predicted=float(predicted.mean()),
                loss=loss(predicted, outcome),
                constant_loss=loss(np.full(len(outcome), outcome.mean()), outcome),
                loss_name="log loss" if binary else "mean squared error",
                auc=evaluation.auc(predicted, outcome) if binary else math.nan,
                calibration_error=evaluation.expected_calibration_error(predicted, outcome),
                calibration=tuple(
                    CalibrationBin(float(p), Estimate(float(o), float(low), float(high)), int(n))
                    for p, o, low, high, n in bins
                ),
            )
        )
    summary = release.model.summary
    how = {
        "time": "by time: the oldest decisions train, later ones calibrate, the newest test",
        "user": "by user: each user's decisions are all in one part",
    }[release.split.kind]
    return Quality(
        objectives=tuple(objectives),
        epochs=tuple(
            TrainingEpoch(place + 1, loss.train, loss.validation) for place, loss in enumerate(summary.losses)
        ),
        best_epoch=summary.delta_epoch + 1,
        split=how,
        training_decisions=summary.train_rows,
        calibration_decisions=summary.calibration_rows,
        test_decisions=len(valued),
    )


def propensities(
    vocabularies: Vocabularies, valued: Valued, confidence: float
) -> tuple[tuple[str, ...], tuple[PropensityCheck, ...]]:
    """Return what is wrong with logged propensities, by channel and hold and day by day, and the former.

    A logging policy that never held is taken to have been unable to.
    """
    could_hold = np.ones(len(valued), np.bool_)
    for code in np.unique(valued.release).tolist():
        of = valued.release == code
        if of.sum() >= _ENOUGH_TO_CALL_IMPOSSIBLE and (valued.message[of] >= 0).all():
            could_hold &= ~of
    groups: dict[str, tuple[NDArray[np.bool_], NDArray[np.int64]]] = {
        "hold": (valued.message < 0, could_hold.astype(np.int64))
    }
    for code, name in enumerate(vocabularies.channels.names):
        if valued.offered[:, code].any():
            groups[name] = (valued.channel == code, valued.offered[:, code].astype(np.int64))
    users = cluster(valued.user, len(valued))
    counts = valued.offered.sum(axis=1) + could_hold
    faults = (
        *evaluation.check_chosen(valued.propensity, counts, users, groups).warnings,
        *evaluation.check_days(valued.propensity, counts, valued.day, valued.user).warnings,
    )
    shown = []
    for name, (chosen, count) in groups.items():
        offered = float(np.sum(count))
        if not offered:
            continue
        share = evaluation.on_policy(
            np.where(chosen, 1 / valued.propensity, 0.0), users, confidence=confidence
        )
        scale = len(valued) / offered
        shown.append(
            PropensityCheck(
                name,
                int(np.sum(chosen)),
                1.0,
                Estimate(share.value * scale, share.low * scale, share.high * scale),
            )
        )
    return faults, tuple(shown)


def qini_curves(
    config: Config, release: Release, vocabularies: Vocabularies, valued: Valued
) -> tuple[Uplift, ...]:
    """Return a Qini curve for each of a few messages against hold, on every objective to be raised."""
    curves = []
    for code in range(valued.lift.shape[1]):
        for k, name in enumerate(release.objectives):
            score = valued.lift[:, code, k].astype(np.float64)
            treated = valued.message == code
            rows = np.isfinite(score) & np.isfinite(valued.outcome[:, k]) & (treated | (valued.message < 0))
            if config.objectives[name].direction == "down" or not 0 < treated[rows].sum() < rows.sum():
                continue
            curve = evaluation.qini_curve(
                valued.outcome[rows, k].astype(np.float64),
                treated[rows],
                valued.propensity[rows],
                score[rows],
                valued.user[rows],
                confidence=config.evaluation.confidence,
            )
            curves.append(
                Uplift(
                    objective=name,
                    treatment=vocabularies.messages.names[code],
                    control="hold",
                    share=tuple(curve.share.tolist()),
                    gain=tuple(curve.gain.tolist()),
                    low=tuple(curve.low.tolist()),
                    high=tuple(curve.high.tolist()),
                    area=Estimate(curve.coefficient, curve.coefficient_low, curve.coefficient_high),
                    unit=unit_of(config.objectives[name]),
                )
            )
    return tuple(curves)
