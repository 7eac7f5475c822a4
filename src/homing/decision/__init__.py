"""The main path: candidates, scores, prices, one draw per user and epoch, and what of it is logged."""

from homing.decision.candidate_set import candidate_set_hash
from homing.decision.candidates import build_candidates
from homing.decision.decide import decide
from homing.decision.draws import draw, uniforms_and_ids
from homing.decision.online import Meter, decide_now
from homing.decision.policies import Constant, Context, Hold, Policy, Softmax, Uniform
from homing.decision.shared_limits import Prices, SharedLimits
from homing.decision.softmax import best_share, resolve_temperature, softmax, utility

__all__ = [
    "Constant",
    "Context",
    "Hold",
    "Meter",
    "Policy",
    "Prices",
    "SharedLimits",
    "Softmax",
    "Uniform",
    "best_share",
    "build_candidates",
    "candidate_set_hash",
    "decide",
    "decide_now",
    "draw",
    "resolve_temperature",
    "softmax",
    "uniforms_and_ids",
    "utility",
]
