"""From what arms set to a policy with the release that scores for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from homing.decision import Policy, Softmax
from homing.lifecycle.policies import make_policy
from homing.lifecycle.release import Release
from homing.schema import InputError, Vocabularies
from homing.schema.errors import nearest
from homing.schema.experiment import Arm
from homing.store import Workspace


@dataclass(frozen=True)
class Setting:
    """What arms set together; empty: as without experiments."""

    policy: str = ""
    release: str = ""
    weights: tuple[tuple[str, float], ...] = ()

    def with_arm(self, arm: Arm) -> Setting:
        """Return the setting with what an arm sets in its place."""
        weights = dict(self.weights) | arm.weights
        return Setting(arm.policy or self.policy, arm.release or self.release, tuple(sorted(weights.items())))


@dataclass(frozen=True)
class Decider:
    """A policy, and the release whose model scores for it."""

    release: Release
    policy: Policy

    @property
    def complete(self) -> bool:
        """Whether every candidate has a chance, so that its log can tell what others are worth."""
        return self.policy.floor > 0


def arm_policy(
    workspace: Workspace, release: Release, vocabularies: Vocabularies, setting: Setting
) -> Policy:
    """Return the policy of a setting.

    Raises:
        InputError: the policy or an objective is not known, a weight is negative, or the policy has none.
    """
    policy = make_policy(setting.policy or "learned", workspace, release, vocabularies, [])
    if not setting.weights:
        return policy
    if not isinstance(policy, Softmax):
        return policy  # such as hold, set by another experiment: it has no weights to change
    weights = policy.weights.copy()
    for name, weight in setting.weights:
        if name not in release.objectives:
            raise InputError(
                f"weights.{name} is of no objective{nearest(name, release.objectives)}; there are "
                f"{', '.join(release.objectives)}"
            )
        if weight < 0:
            raise InputError(f"weights.{name} == {weight:g}, must be >= 0; the direction gives its sign")
        sign = 1.0 if release.config.objectives[name].direction == "up" else -1.0
        weights[release.objectives.index(name)] = sign * weight
    return dataclasses.replace(policy, weights=weights)
