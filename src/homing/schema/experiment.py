"""An experiment as people write it: the design, a TOML file of `experiments/` in the workspace."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from homing.schema.config import problems_of
from homing.schema.errors import ConfigError, InputError, nearest
from homing.schema.section import Duration, Section
from homing.schema.times import DAY, parse_duration

#: The event type by which a metric counts messages that were decided to be sent.
SENT: Final = "sent"
#: Under which the global holdout is logged among arms.
HOLDOUT: Final = "holdout"
#: Segments that every workspace has; others are categorical columns of its users.
STAGE: Final = "lifecycle stage"
REACH: Final = "reachable by"
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class Arm(Section):
    """What decides for the users of an arm. What is not given is as it would be without the experiment."""

    share: float = Field(gt=0, le=1, description="Share of the experiment's users.")
    policy: str = Field(
        "",
        description="hold, uniform, learned, greedy, learned:OBJECTIVE, greedy:OBJECTIVE or "
        "constant:MESSAGE; empty: the release's own, learned.",
    )
    release: str = Field("", description="Release that decides; `current`: the one of the day of the start.")
    weights: dict[str, float] = Field(
        default_factory=dict, description="Weights of objectives, >= 0, in place of those of the release."
    )

    @property
    def parameters(self) -> frozenset[str]:
        """What it sets; two experiments that share users must not set the same."""
        given = {"policy": self.policy, "release": self.release}
        return frozenset({k for k, v in given.items() if v} | {f"weights.{name}" for name in self.weights})


class Metric(Section):
    """A number of each user from the day of entry on, averaged over the users of an arm."""

    role: Literal["success", "guardrail", "monitor"] = Field(
        description="success: one of them has to get better; guardrail: may not get worse by its margin; "
        "monitor: watched."
    )
    event: str = Field(description="Event type, or `sent`: messages that were decided to be sent.")
    aggregate: Literal["any", "count", "sum", "active_days"] = Field(
        "count",
        description="any: 1 if it happened; count: how often; sum: total value; "
        "active_days: 24-hour periods in which it happened.",
    )
    per: str = Field(
        "", description="Event type of the denominator, or `sent`: the metric is a ratio of two counts."
    )
    after: Duration = Field("0s", description="Counted from this long after the user's entry on.")
    window: Duration | None = Field(
        None,
        description="Counted for this long, over users who have been there long enough; without it for "
        "everybody until the end.",
    )
    direction: Literal["up", "down", "none"] = Field("up", description="Which way is better.")
    effect: float | None = Field(
        None, gt=0, description="Of a success metric: least change worth finding, in the good direction."
    )
    margin: float | None = Field(None, gt=0, description="Of a guardrail: how much worse is still accepted.")
    cap: float | None = Field(None, gt=0, description="A user's number above it counts as it.")

    @property
    def sign(self) -> float:
        """1 where more is better, else -1."""
        return -1.0 if self.direction == "down" else 1.0

    @property
    def span(self) -> tuple[int, int | None]:
        """From and until when it is counted, us after entry; None: to the end."""
        first = parse_duration(self.after)
        return first, None if self.window is None else first + parse_duration(self.window)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if (self.role == "success") != (self.effect is not None):
            problems.append(f"effect == {self.effect}, must be given for success metrics, and only for them")
        if (self.role == "guardrail") != (self.margin is not None):
            problems.append(f"margin == {self.margin}, must be given for guardrails, and only for them")
        if self.role != "monitor" and self.direction == "none":
            problems.append("direction == 'none', must be 'up' or 'down' where the rule looks at it")
        if self.per and self.aggregate not in ("count", "sum"):
            problems.append(f"aggregate == {self.aggregate!r} with per, must be 'count' or 'sum'")
        if self.window is None and self.span[0] > 0:
            problems.append(f"after == {self.after!r} without a window; give the window, too")
        if self.window is not None and parse_duration(self.window) <= 0:
            problems.append(f"window == {self.window!r}, must be longer than 0")
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Design(Section):
    """An experiment before its start."""

    hypothesis: str = Field("", description="What is expected, and why, in a sentence.")
    arms: dict[str, Arm] = Field(min_length=2, description="The arms by name; their shares sum to 1.")
    control: str = Field("control", description="The arm that others are compared with.")
    metrics: dict[str, Metric] = Field(min_length=1, description="The metrics by name.")
    days: int = Field(28, ge=1, description="Planned length; afterwards arms decide no more.")
    traffic: float = Field(1.0, gt=0, le=1, description="Share of its users at the start; see ramp.")
    layer: str = Field("", description="Experiments of one layer share no user; empty: one of its own.")
    range: tuple[float, float] = Field((0.0, 1.0), description="Its part of the layer, [from, to).")
    salt: str = Field("", description="Of the assignment; empty: that of the workspace.")
    exposure: Literal["triggered", "assigned"] = Field(
        "triggered",
        description="triggered: users count from the first decision on in which arms differ; assigned: all "
        "do, from their first decision on.",
    )
    looks: Literal["always_valid", "group_sequential", "none"] = Field(
        "always_valid",
        description="How it may be read early: at any time, at a few looks, or not before its end.",
    )
    spending: Literal["obrien_fleming", "pocock", "hwang_shih_decani"] = Field(
        "obrien_fleming", description="With group_sequential: how alpha is spent."
    )
    scale: Literal["relative", "absolute"] = Field(
        "relative", description="Unit of effects and margins: a share of the control's level, or its unit."
    )
    alpha: float = Field(
        0.025, gt=0, lt=0.5, description="Chance to ship what is no better, one-sided; 0.025 gives 95 %."
    )
    beta: float = Field(0.2, gt=0, lt=1, description="Chance not to ship what is as good as planned.")
    alpha_worse: float = Field(0.01, gt=0, lt=0.5, description="Chance of a false alarm of harm.")
    alpha_quality: float = Field(0.001, gt=0, lt=0.5, description="Chance that a quality check fails.")
    correction: Literal["none", "bonferroni", "holm", "hommel", "benjamini_hochberg"] = Field(
        "bonferroni", description="Of alpha over success metrics; early looks take the first two."
    )
    rule: Literal["metrics", "worth"] = Field(
        "metrics",
        description="Which rule decides: metrics by their roles, or one sum of their differences, each times "
        "its `worth`. The other one is shown beside it.",
    )
    worth: dict[str, float] = Field(
        default_factory=dict,
        description="By metric, what one unit of it is worth per user, >= 0; the direction gives the sign. "
        "Empty: weights of the objectives that count the same event in the same way.",
    )
    segments: tuple[str, ...] = Field(
        (STAGE, REACH),
        description="How users are split to ask whether the effect differs: `lifecycle stage` and "
        "`reachable by` (channels), both at entry, and categorical columns of users, such as `x_device`.",
    )
    pre_period: Duration = Field("28d", description="Before entry: what reduces the noise; 0s for none.")

    @property
    def treatments(self) -> tuple[str, ...]:
        """The arms but the control, in order."""
        return tuple(name for name in self.arms if name != self.control)

    @property
    def parameters(self) -> frozenset[str]:
        """What any arm sets."""
        return frozenset().union(*(arm.parameters for arm in self.arms.values()))

    @property
    def shares(self) -> dict[str, float]:
        """The share of each arm."""
        return {name: arm.share for name, arm in self.arms.items()}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            problems.append(f"arms have shares that sum to {total:g}, must sum to 1")
        if self.control not in self.arms:
            problems.append(f"control == {self.control!r}, must be one of the arms {list(self.arms)}")
        names = (*self.arms, *self.metrics)
        bad = [name for name in names if not name or not _LETTERS.issuperset(name)]
        problems += [f"{name!r} must be of small letters, digits, - and _" for name in bad]
        if not any(metric.role == "success" for metric in self.metrics.values()):
            problems.append("metrics has no success metric, must have at least one")
        if not 0 <= self.range[0] < self.range[1] <= 1:
            problems.append(f"range == {list(self.range)}, must rise within [0, 1]")
        if self.range != (0.0, 1.0) and not self.layer:
            problems.append(f"range == {list(self.range)} needs the name of its layer")
        if self.looks != "none" and self.correction not in ("none", "bonferroni"):
            problems.append(
                f"correction == {self.correction!r} must be 'none' or 'bonferroni' unless looks = 'none'"
            )
        problems += self._unworthy()
        for name, metric in self.metrics.items():
            until = metric.span[1]
            if until is not None and until > self.days * DAY:
                problems.append(f"metrics.{name} ends later than days == {self.days}; plan more days")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _unworthy(self) -> list[str]:
        problems = []
        for name, worth in self.worth.items():
            if name not in self.metrics:
                problems.append(f"worth.{name} is of no metric{nearest(name, tuple(self.metrics))}")
            elif worth < 0:
                problems.append(f"worth.{name} == {worth:g}, must be >= 0; the direction gives its sign")
            elif worth and self.metrics[name].direction == "none":
                problems.append(f"worth.{name} needs a direction of metrics.{name}, 'up' or 'down'")
        if self.worth and not any(self.worth.values()):
            problems.append("worth has nothing over 0; give one metric some, or leave it out")
        return problems


def check_name(name: str) -> str:
    """Return the name of an experiment if it can be one.

    Raises:
        InputError: it is empty, taken, or has other letters than a-z, 0-9, - and _.
    """
    if not name or not _LETTERS.issuperset(name) or name == HOLDOUT:
        raise InputError(
            f"experiment == {name!r}, must be of small letters, digits, - and _, and not {HOLDOUT!r}"
        )
    return name


def parse_design(data: Mapping[str, Any] | str, source: str) -> Design:
    """Check a design: TOML text, or a mapping of its shape.

    Raises:
        ConfigError: with a line for each broken rule; a typo names the nearest key.
    """
    try:
        told = tomllib.loads(data) if isinstance(data, str) else data
        return Design.model_validate(told)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"is not TOML: {error}"], source) from None
    except ValidationError as error:
        raise ConfigError(problems_of(error, Design, "homing experiment explain"), source) from None
