"""What a policy would be worth, from a log that another policy made; pure functions over arrays."""

from homing.evaluation.choosing.gate import Gate, Guardrail, gate
from homing.evaluation.choosing.ranking import TopK, top_k
from homing.evaluation.choosing.segments import Segment, by_segment, segment_mean
from homing.evaluation.choosing.tuning import (
    Selection,
    bias_against,
    bias_bound,
    select_by_mse,
    select_by_slope,
)
from homing.evaluation.choosing.verdict import Direction, Judgement, Verdict, decisions_to_tell, judge
from homing.evaluation.clusters import Clusters, cluster
from homing.evaluation.cross_fit import cross_fit, folds_by_user
from homing.evaluation.diagnostics.balance import balancing_weights
from homing.evaluation.diagnostics.log_faults import LogFaults, chosen_faults, log_faults
from homing.evaluation.diagnostics.overlap import (
    Diagnostics,
    Support,
    Thresholds,
    diagnose,
    effective_sample_size,
    overlap,
    support,
)
from homing.evaluation.diagnostics.propensity import (
    PropensityCheck,
    check_chosen,
    check_distribution,
    probability_bins,
)
from homing.evaluation.diagnostics.propensity_days import check_days
from homing.evaluation.diagnostics.shift import FeatureShift, Shift, covariate_shift
from homing.evaluation.diagnostics.tail import WeightTail, weight_tail
from homing.evaluation.estimate import Estimate, Interval, Ratio, difference
from homing.evaluation.estimators.embeddings import (
    learned_likelihood,
    marginal_weights,
    posterior_weights,
    same_embedding,
    select_embedding,
)
from homing.evaluation.estimators.linear import linear_gain
from homing.evaluation.estimators.loggers import mixture_propensity, precision_weighted
from homing.evaluation.estimators.more_robust import mrdr, mrdr_weights
from homing.evaluation.estimators.one_decision import dm, dr, importance_weights, ips, on_policy, sndr, snips
from homing.evaluation.estimators.plug_in import plug_in
from homing.evaluation.estimators.shrinkage import Shrinkage, shrink, shrinkage_grid
from homing.evaluation.estimators.slates import cascade_dr, slate_ips
from homing.evaluation.estimators.times import bandwidth_grid, kernel_dr, kernel_weights
from homing.evaluation.inputs import policy_mean
from homing.evaluation.intervals.bootstrap import bootstrap, resampled_values
from homing.evaluation.intervals.bounds import confidence_sequence, empirical_bernstein
from homing.evaluation.intervals.sequences import WeightSequence, weight_sequence
from homing.evaluation.intervals.simultaneous import simultaneous
from homing.evaluation.quality.calibration import (
    CalibrationCurve,
    auc,
    brier,
    calibration_curve,
    expected_calibration_error,
    log_loss,
    skill,
)
from homing.evaluation.quality.uplift import QiniCurve, qini_curve, uplift_by_quantile
from homing.evaluation.streaming.stream import stream
from homing.statistics import benjamini_hochberg, normal_mixture

__all__ = [
    "CalibrationCurve",
    "Clusters",
    "Diagnostics",
    "Direction",
    "Estimate",
    "FeatureShift",
    "Gate",
    "Guardrail",
    "Interval",
    "Judgement",
    "LogFaults",
    "PropensityCheck",
    "QiniCurve",
    "Ratio",
    "Segment",
    "Selection",
    "Shift",
    "Shrinkage",
    "Support",
    "Thresholds",
    "TopK",
    "Verdict",
    "WeightSequence",
    "WeightTail",
    "auc",
    "balancing_weights",
    "bandwidth_grid",
    "benjamini_hochberg",
    "bias_against",
    "bias_bound",
    "bootstrap",
    "brier",
    "by_segment",
    "calibration_curve",
    "cascade_dr",
    "check_chosen",
    "check_days",
    "check_distribution",
    "chosen_faults",
    "cluster",
    "confidence_sequence",
    "covariate_shift",
    "cross_fit",
    "decisions_to_tell",
    "diagnose",
    "difference",
    "dm",
    "dr",
    "effective_sample_size",
    "empirical_bernstein",
    "expected_calibration_error",
    "folds_by_user",
    "gate",
    "importance_weights",
    "ips",
    "judge",
    "kernel_dr",
    "kernel_weights",
    "learned_likelihood",
    "linear_gain",
    "log_faults",
    "log_loss",
    "marginal_weights",
    "mixture_propensity",
    "mrdr",
    "mrdr_weights",
    "normal_mixture",
    "on_policy",
    "overlap",
    "plug_in",
    "policy_mean",
    "posterior_weights",
    "precision_weighted",
    "probability_bins",
    "qini_curve",
    "resampled_values",
    "same_embedding",
    "segment_mean",
    "select_by_mse",
    "select_by_slope",
    "select_embedding",
    "shrink",
    "shrinkage_grid",
    "simultaneous",
    "skill",
    "slate_ips",
    "sndr",
    "snips",
    "stream",
    "support",
    "top_k",
    "uplift_by_quantile",
    "weight_sequence",
    "weight_tail",
]
