"""What a choice changes for weeks: an orthogonal learner of long-term effects from a randomized log.

One message changes the next month by a fraction of a percent, inside noise a hundred times larger. So only
what randomization identifies is learned, in few directions, and pooled:

1. `basis`: each candidate as some fifty numbers that effects may depend on; hold is zero.
2. `baseline`: outcomes by lag, predicted from the state by models that did not see the user.
3. `moments`: choice minus its mean under the candidate set, times outcome minus its prediction, each in units
   of its noise where that differs much; they add up over users, so a log of any size is one pass.
4. `curve`: effects that fade with one half-life an objective, shrunk towards none by empirical Bayes.
5. `learners`: the same effects, trusted more or less far ahead; which of them decides is found by evaluation.
"""

from homing.models.advantage.baseline import Baseline, fit_baselines
from homing.models.advantage.basis import Basis, measure_basis
from homing.models.advantage.curve import EffectCurve, fit_curve, window_edges
from homing.models.advantage.learners import LEARNERS
from homing.models.advantage.model import Advantage
from homing.models.advantage.moments import (
    EffectMoments,
    effect_moments,
    noise_levels,
    noise_scale,
    reference_weights,
)

__all__ = [
    "LEARNERS",
    "Advantage",
    "Baseline",
    "Basis",
    "EffectCurve",
    "EffectMoments",
    "effect_moments",
    "fit_baselines",
    "fit_curve",
    "measure_basis",
    "noise_levels",
    "noise_scale",
    "reference_weights",
    "window_edges",
]
