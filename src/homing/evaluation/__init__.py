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
from homing.evaluation.embeddings import (
    learned_likelihood,
    marginal_weights,
    posterior_weights,
    same_embedding,
    select_embedding,
)
from homing.evaluation.estimate import Estimate, Interval, Ratio, difference
from homing.evaluation.estimators import dm, dr, importance_weights, ips, on_policy, sndr, snips
from homing.evaluation.gate import Gate, Guardrail, gate
from homing.evaluation.inputs import policy_mean
from homing.evaluation.intervals import confidence_sequence, empirical_bernstein, normal_mixture
from homing.evaluation.log_faults import LogFaults, log_faults
from homing.evaluation.loggers import mixture_propensity, precision_weighted
from homing.evaluation.more_robust import mrdr, mrdr_weights
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
from homing.evaluation.plug_in import plug_in
from homing.evaluation.propensity import (
    PropensityCheck,
    check_chosen,
    check_distribution,
    probability_bins,
)
from homing.evaluation.propensity_days import check_days
from homing.evaluation.ranking import TopK, top_k
from homing.evaluation.segments import Segment, by_segment
from homing.evaluation.sequences import WeightSequence, weight_sequence
from homing.evaluation.shift import FeatureShift, Shift, covariate_shift
from homing.evaluation.shrinkage import Shrinkage, shrink, shrinkage_grid
from homing.evaluation.slates import cascade_dr, slate_ips
from homing.evaluation.stream import stream
from homing.evaluation.times import bandwidth_grid, kernel_dr, kernel_weights
from homing.evaluation.tuning import Selection, bias_against, bias_bound, select_by_mse, select_by_slope
from homing.evaluation.uplift import QiniCurve, qini_curve, uplift_by_quantile
from homing.evaluation.verdict import Direction, Judgement, Verdict, decisions_to_tell, judge

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
    "select_by_mse",
    "select_by_slope",
    "select_embedding",
    "shrink",
    "shrinkage_grid",
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
