"""Users' states from their events, features of candidates, outcomes of decisions, frequency caps."""

from homing.state.features import build_features, feature_spec
from homing.state.fold import UserStates, fold, population_rhythm
from homing.state.frequency import FrequencyLimits, frequency_rule
from homing.state.layout import StateLayout
from homing.state.local_time import ZoneTable, local_hour_of_week
from homing.state.outcomes import outcomes
from homing.state.snapshot import Snapshot, snapshot
from homing.state.stages import STAGES, stages, stages_of

__all__ = [
    "STAGES",
    "FrequencyLimits",
    "Snapshot",
    "StateLayout",
    "UserStates",
    "ZoneTable",
    "build_features",
    "feature_spec",
    "fold",
    "frequency_rule",
    "local_hour_of_week",
    "outcomes",
    "population_rhythm",
    "snapshot",
    "stages",
    "stages_of",
]
