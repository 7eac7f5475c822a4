"""What a policy would be worth, from a log that another policy made; pure functions over arrays."""

from homing.evaluation.bootstrap import bootstrap, resampled_values
from homing.evaluation.calibration import (
    CalibrationCurve,
    auc,
    brier,
    calibration_curve,
    expected_calibration_error,
    log_loss,
    skill,
)
from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.cross_fit import cross_fit, folds_by_user
from homing.evaluation.estimate import Estimate, Interval, Ratio, difference
from homing.evaluation.estimators import dm, dr, importance_weights, ips, on_policy, sndr, snips
from homing.evaluation.inputs import policy_mean
from homing.evaluation.intervals import confidence_sequence, empirical_bernstein, normal_mixture
from homing.evaluation.log_faults import LogFaults, log_faults
from homing.evaluation.multiplicity import benjamini_hochberg
from homing.evaluation.overlap import (
    Diagnostics,
    Support,
    Thresholds,
    WeightTail,
    diagnose,
    effective_sample_size,
    overlap,
    support,
    weight_tail,
)
from homing.evaluation.propensity import (
    PropensityCheck,
    check_chosen,
    check_distribution,
    probability_bins,
)
from homing.evaluation.propensity_days import check_days
from homing.evaluation.sequences import WeightSequence, weight_sequence
from homing.evaluation.shift import FeatureShift, Shift, covariate_shift
from homing.evaluation.stream import stream
from homing.evaluation.uplift import QiniCurve, qini_curve, uplift_by_quantile

__all__ = [
    "CalibrationCurve",
    "Clusters",
    "Diagnostics",
    "Estimate",
    "FeatureShift",
    "Interval",
    "LogFaults",
    "PropensityCheck",
    "QiniCurve",
    "Ratio",
    "Shift",
    "Support",
    "Thresholds",
    "WeightSequence",
    "WeightTail",
    "auc",
    "benjamini_hochberg",
    "bootstrap",
    "brier",
    "calibration_curve",
    "check_chosen",
    "check_days",
    "check_distribution",
    "cluster",
    "confidence_sequence",
    "covariate_shift",
    "cross_fit",
    "diagnose",
    "difference",
    "dm",
    "dr",
    "effective_sample_size",
    "empirical_bernstein",
    "expected_calibration_error",
    "folds_by_user",
    "importance_weights",
    "ips",
    "log_faults",
    "log_loss",
    "normal_mixture",
    "on_policy",
    "overlap",
    "policy_mean",
    "probability_bins",
    "qini_curve",
    "resampled_values",
    "skill",
    "sndr",
    "snips",
    "stream",
    "support",
    "uplift_by_quantile",
    "weight_sequence",
    "weight_tail",
]
