"""How well models predict, and which learner decides."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from homing.report.facts.quantities import Estimate, Judgement, Unit


@dataclass(frozen=True)
class CalibrationBin:
    """Decisions with similar predictions."""

    predicted: float  # mean
    observed: Estimate  # mean outcome
    decisions: int


@dataclass(frozen=True)
class ObjectiveQuality:
    """How well one objective is predicted on decisions that training never saw."""

    objective: str
    unit: Unit
    decisions: int  # in the test part
    base: float  # mean outcome
    predicted: float  # mean prediction
    loss: float
    constant_loss: float  # of predicting the training mean for everybody
    loss_name: str = "log loss"
    auc: float = nan
    calibration_error: float = nan  # expected calibration error, in the outcome's unit
    calibration: tuple[CalibrationBin, ...] = ()

    @property
    def skill(self) -> float:
        """Share of the constant's loss that the model removes; NaN where the constant has none."""
        return 1 - self.loss / self.constant_loss if self.constant_loss else nan


@dataclass(frozen=True)
class TrainingEpoch:
    """Mean loss after one pass."""

    epoch: int
    training: float
    validation: float


@dataclass(frozen=True)
class Quality:
    """How good the response model is."""

    objectives: tuple[ObjectiveQuality, ...]
    epochs: tuple[TrainingEpoch, ...] = ()
    best_epoch: int | None = None
    split: str = ""  # in words: how train, calibration and test were separated
    training_decisions: int = 0
    calibration_decisions: int = 0
    test_decisions: int = 0


@dataclass(frozen=True)
class LearnerValue:
    """What one way to learn long-term values would gain over the log, from users whom its fit did not see."""

    learner: str
    versus_logging: Estimate  # utility of the horizon, per decision, always with its best candidate
    judgement: Judgement
    reason: str = ""
    decides: bool = False  # its values are the release's


@dataclass(frozen=True)
class Selection:
    """The learners that training compared, the preferred one first."""

    learners: tuple[LearnerValue, ...]
    decisions: int  # by chance, with outcomes known over the whole horizon
    confidence: float = 0.95

    @property
    def decides(self) -> LearnerValue:
        """The learner whose values are the release's."""
        return next(learner for learner in self.learners if learner.decides)

    @property
    def advice(self) -> str:
        """One sentence where the log does not say with confidence that the release is better, else empty."""
        found = self.decides
        if found.judgement == "better":
            return ""
        how = {
            "worse": "is worse than the log",
            "do_not_trust": "cannot be estimated from the log",
        }.get(found.judgement, "cannot be told from the log")
        return (
            f"Keep the current policy: over the horizon the learned policy ({found.learner}) {how}; "
            f"{found.reason}."
        )
