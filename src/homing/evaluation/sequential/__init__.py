"""What a policy would be worth over many decisions, from trajectories that another policy made."""

from homing.evaluation.sequential.importance import (
    StepOverlap,
    overlap_by_step,
    per_decision_is,
    trajectory_is,
    weighted_per_decision_is,
    weighted_trajectory_is,
)
from homing.evaluation.sequential.trajectories import Trajectories, first_steps, trajectories

__all__ = [
    "StepOverlap",
    "Trajectories",
    "first_steps",
    "overlap_by_step",
    "per_decision_is",
    "trajectories",
    "trajectory_is",
    "weighted_per_decision_is",
    "weighted_trajectory_is",
]
