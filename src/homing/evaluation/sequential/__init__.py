"""What a policy would be worth over many decisions, from trajectories that another policy made."""

from homing.evaluation.sequential.choices import Choices, choices
from homing.evaluation.sequential.density import double_reinforcement
from homing.evaluation.sequential.doubly_robust import (
    Predictions,
    direct,
    doubly_robust,
    predictions,
    weighted_doubly_robust,
)
from homing.evaluation.sequential.fitted_q import fitted_q
from homing.evaluation.sequential.importance import (
    StepOverlap,
    overlap_by_step,
    per_decision_is,
    trajectory_is,
    weighted_per_decision_is,
    weighted_trajectory_is,
)
from homing.evaluation.sequential.long_term import lope, surrogate_index, surrogate_weights
from homing.evaluation.sequential.marginal import marginal_is, state_density
from homing.evaluation.sequential.minimax import linear_density, minimax_is
from homing.evaluation.sequential.regressors import ridge, tabular
from homing.evaluation.sequential.trajectories import Trajectories, first_steps, trajectories

__all__ = [
    "Choices",
    "Predictions",
    "StepOverlap",
    "Trajectories",
    "choices",
    "direct",
    "double_reinforcement",
    "doubly_robust",
    "first_steps",
    "fitted_q",
    "linear_density",
    "lope",
    "marginal_is",
    "minimax_is",
    "overlap_by_step",
    "per_decision_is",
    "predictions",
    "ridge",
    "state_density",
    "surrogate_index",
    "surrogate_weights",
    "tabular",
    "trajectories",
    "trajectory_is",
    "weighted_doubly_robust",
    "weighted_per_decision_is",
    "weighted_trajectory_is",
]
