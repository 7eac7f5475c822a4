"""Experiments: assign, watch, analyse and decide. Everything starts from moments, which add."""

from homing.experiments.adjust import adjust, post_stratify, products_for, variance_reduction
from homing.experiments.assign import Experiment, assign, check_layers, hash_ids, in_holdout, place
from homing.experiments.clustered import cluster_levels, switchback_levels
from homing.experiments.decide import Criterion, Decision, Outcome, Rule, decide, ships, verdicts
from homing.experiments.differences import Difference, compare, difference
from homing.experiments.effect_checks import (
    EffectCalibration,
    GroupEffects,
    effect_calibration,
    group_effects,
)
from homing.experiments.effects import ForestSettings, UnitEffects, unit_effects
from homing.experiments.funnel import Funnel, funnel
from homing.experiments.holdout import HoldoutMoments, HoldoutReadout, holdout_moments, holdout_readout
from homing.experiments.interaction import Interaction, interaction, interactions
from homing.experiments.joint import Joint, Utility, joint_difference, utility
from homing.experiments.looks import LooksPlan, plan_looks
from homing.experiments.metrics import Levels, Metric, levels, mean, proportion, ratio
from homing.experiments.micro_randomized import Excursion, causal_excursion
from homing.experiments.moments import Axis, Moments
from homing.experiments.multiple import adjusted_p_values, interval_confidence
from homing.experiments.power import Need, Plan, UtilityPlan, plan, plan_utility, simulate_rule
from homing.experiments.quality import (
    Check,
    before_start,
    outliers,
    same_in_all,
    sample_ratio,
    sample_ratio_at_all_looks,
)
from homing.experiments.quantiles import quantile_levels
from homing.experiments.sequential import (
    Bounds,
    always_valid,
    always_valid_p,
    crossing_probability,
    group_sequential,
    spend,
)
from homing.experiments.sums import from_arrays, from_sums
from homing.experiments.surrogates import (
    LongTermEffect,
    Surrogacy,
    SurrogacyError,
    SurrogateIndex,
    long_term_effect,
    surrogacy,
    surrogacy_error,
    surrogate_index,
)
from homing.experiments.survival import Curve, Hazards, hazard_ratio, kaplan_meier, survival_levels
from homing.experiments.tables import from_table

__all__ = [
    "Axis",
    "Bounds",
    "Check",
    "Criterion",
    "Curve",
    "Decision",
    "Difference",
    "EffectCalibration",
    "Excursion",
    "Experiment",
    "ForestSettings",
    "Funnel",
    "GroupEffects",
    "Hazards",
    "HoldoutMoments",
    "HoldoutReadout",
    "Interaction",
    "Joint",
    "Levels",
    "LongTermEffect",
    "LooksPlan",
    "Metric",
    "Moments",
    "Need",
    "Outcome",
    "Plan",
    "Rule",
    "Surrogacy",
    "SurrogacyError",
    "SurrogateIndex",
    "UnitEffects",
    "Utility",
    "UtilityPlan",
    "adjust",
    "adjusted_p_values",
    "always_valid",
    "always_valid_p",
    "assign",
    "before_start",
    "causal_excursion",
    "check_layers",
    "cluster_levels",
    "compare",
    "crossing_probability",
    "decide",
    "difference",
    "effect_calibration",
    "from_arrays",
    "from_sums",
    "from_table",
    "funnel",
    "group_effects",
    "group_sequential",
    "hash_ids",
    "hazard_ratio",
    "holdout_moments",
    "holdout_readout",
    "in_holdout",
    "interaction",
    "interactions",
    "interval_confidence",
    "joint_difference",
    "kaplan_meier",
    "levels",
    "long_term_effect",
    "mean",
    "outliers",
    "place",
    "plan",
    "plan_looks",
    "plan_utility",
    "post_stratify",
    "products_for",
    "proportion",
    "quantile_levels",
    "ratio",
    "same_in_all",
    "sample_ratio",
    "sample_ratio_at_all_looks",
    "ships",
    "simulate_rule",
    "spend",
    "surrogacy",
    "surrogacy_error",
    "surrogate_index",
    "survival_levels",
    "switchback_levels",
    "unit_effects",
    "utility",
    "variance_reduction",
    "verdicts",
]
