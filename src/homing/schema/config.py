"""`homing.toml` as frozen types. Every key has a meaning, a safe default and a rule.

The documentation (`docs/reference/configuration.md`) and `homing config explain` are generated from here.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from homing.schema.budgets import Budget, Costs
from homing.schema.errors import ConfigError, nearest
from homing.schema.section import Clock, Duration, Section, Share, Time, Zone
from homing.schema.times import DAY, parse_duration
from homing.schema.vocabulary import EVENT_TYPES

_LEAST_HORIZON = 2  # days


class Workspace(Section):
    """What the workspace is called and how it derives its randomness."""

    name: str = Field("homing", description="Shown in the report's title.")
    timezone: Zone = Field("UTC", description="IANA zone of users that have none of their own.")
    salt: str = Field(
        "homing",
        min_length=1,
        description="Draws derive from (salt, user, epoch). Change it and every draw changes.",
    )
    partitions: int = Field(
        16, ge=1, le=4096, description="Shards of users in the ledger. Fixed once the ledger has data."
    )


class Cap(Section):
    """At most `max` sends in any window of length `per`."""

    max: int = Field(ge=0, description="Most sends in the window.")
    per: Duration = Field(description="Length of the rolling window.")


class Channel(Section):
    """Hard limits of one channel. They remove candidates and are never priced."""

    quiet_hours: tuple[Clock, ...] = Field(
        (), description="[from, until) in the user's local time, in which no slot of this channel may lie."
    )
    caps: tuple[Cap, ...] = Field((), description="Frequency caps of this channel over rolling windows.")
    spacing: Duration = Field("0s", description="Least time between two sends of this channel to one user.")
    slots: tuple[Clock, ...] | None = Field(
        None, description="Local starts of this channel's slots; without it `slots.starts` holds."
    )

    @model_validator(mode="after")
    def _two_hours(self) -> Self:
        if len(self.quiet_hours) not in (0, 2):
            raise ValueError(f"quiet_hours == {list(self.quiet_hours)}, must be [] or [from, until]")
        return self


class Limits(Section):
    """Hard limits over all channels together."""

    caps: tuple[Cap, ...] = Field((), description="Frequency caps over all channels, over rolling windows.")
    spacing: Duration = Field("0s", description="Least time between two sends of any channel to one user.")


class Slots(Section):
    """When messages may be sent within an epoch."""

    starts: tuple[Clock, ...] = Field(
        ("09:00", "12:00", "18:00"), min_length=1, description="Local clock times at which slots start."
    )
    length: Duration = Field("1h", description="Length of a slot.")
    horizon: Duration = Field(
        "1d", description="Slots that start within this time after the epoch are planned."
    )


class Objective(Section):
    """A named outcome of every decision, holds included."""

    event: str = Field(description="Event type that is counted.")
    window: Duration = Field("7d", description="Counted from the decision's epoch for this long.")
    aggregate: Literal["any", "count", "sum", "active_days"] = Field(
        "any",
        description="any: 1 if it happened; count: how often; sum: total value; "
        "active_days: 24-hour periods after the epoch in which it happened.",
    )
    scope: Literal["user", "decision"] = Field(
        "user", description="user: all events of the user; decision: only events that name the decision."
    )
    direction: Literal["up", "down"] = Field("up", description="Whether more is better.")
    weight: float = Field(1.0, ge=0, description="Weight in the utility, in utility per unit of the outcome.")
    guardrail: float | None = Field(
        None, description="Worst acceptable mean outcome; the report warns where a policy passes it."
    )
    horizon: Duration | None = Field(
        None,
        description="Decide by what becomes of the user within this many days, not only by the window: the "
        "outcome is then how often, how much or on how many days it happens until then.",
    )

    @model_validator(mode="after")
    def _long_term(self) -> Self:
        if self.horizon is None:
            return self
        days = parse_duration(self.horizon) / DAY
        if days != int(days) or days < _LEAST_HORIZON:
            raise ValueError(f"horizon == {self.horizon!r}, must be whole days, at least {_LEAST_HORIZON}d")
        if parse_duration(self.horizon) < parse_duration(self.window):
            raise ValueError(f"horizon == {self.horizon!r}, must be at least window == {self.window!r}")
        if self.scope != "user":
            raise ValueError(
                f"horizon needs scope == 'user', not {self.scope!r}: later days name no decision"
            )
        return self

    @property
    def signed_weight(self) -> float:
        """The weight with the sign of the direction."""
        return self.weight if self.direction == "up" else -self.weight

    def within(self, window: str) -> Self:
        """Return the objective as a sum over the days of `window`, such as "28d"."""
        aggregate = "count" if self.aggregate == "any" else self.aggregate
        return self.model_copy(update={"window": window, "aggregate": aggregate, "horizon": None})

    @property
    def judged(self) -> Self:
        """What decisions are judged by: the outcome over the horizon where there is one."""
        return self if self.horizon is None else self.within(self.horizon)


class Exploration(Section):
    """How decisions are randomized; this is what makes them evaluable."""

    temperature: float | Literal["auto"] = Field(
        "auto",
        description="Softmax temperature in units of utility; auto sets it at training, so that the best "
        "candidate of a set gets `best_share` on average.",
    )
    best_share: float = Field(
        0.7, gt=0, lt=1, description="With temperature = auto: mean probability of the best candidate."
    )
    floor: Share = Field(0.05, description="Share of each decision that is uniform over the candidates.")

    @field_validator("temperature", mode="before")
    @classmethod
    def _positive(cls, value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
        if not number and value != "auto":
            raise ValueError(f"temperature == {value!r}, must be a number over 0 or 'auto'")
        return value


class Events(Section):
    """Event types beyond the ones that every workspace knows."""

    types: tuple[str, ...] = Field((), description="Event types that this workspace adds.")
    complete_until: Time | None = Field(
        None, description="Instant until which all events are in the ledger; without it that of the newest."
    )


class State(Section):
    """The user state that every model sees."""

    half_lives: tuple[Duration, ...] = Field(
        ("1d", "7d", "28d"), min_length=1, description="Half-lives of the decayed counts."
    )
    categories: int = Field(
        64,
        ge=1,
        le=4096,
        description="Categories that keep a memory of their own; later ones share the last.",
    )
    category_half_life: Duration = Field("14d", description="Half-life of exposure and response by category.")
    rhythm: str = Field("session", description="Event type whose hours of the week are the user's rhythm.")
    rhythm_half_life: Duration = Field("28d", description="Half-life of the hour-of-week activity.")
    rhythm_prior: float = Field(
        20.0, gt=0, description="Weight, in events, of the population's rhythm in a user's own."
    )


class Training(Section):
    """How models are trained."""

    split: Literal["auto", "time", "user"] = Field(
        "auto",
        description="How decisions are split into train, calibration and test; auto: by time when there "
        "are at least 8 epochs, else by user.",
    )
    calibration_share: float = Field(0.15, gt=0, lt=1, description="Share of the decisions to calibrate on.")
    test_share: float = Field(0.25, gt=0, lt=1, description="Share of the decisions to evaluate on.")
    max_rows: int = Field(5_000_000, ge=1, description="More decisions than this are sampled down by user.")
    epochs: int = Field(8, ge=1, description="Most passes over the training decisions (stops early).")
    batch_size: int = Field(4096, ge=1, description="Decisions in a gradient step.")
    hidden: tuple[int, ...] = Field((128, 64), min_length=1, description="Widths of the hidden layers.")
    embedding: int = Field(8, ge=1, description="Width of categorical embeddings.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout between hidden layers.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-3, ge=0, description="Weight decay of AdamW.")
    members: int | Literal["auto"] = Field(
        "auto",
        description="Networks whose raw outputs are averaged, each with its own seed and validation part; "
        "auto: 5 below 60,000 training decisions, where they vary most, else 1. Evaluation fits one a fold.",
    )
    seed: int = Field(0, ge=0, description="Seed of initial weights and batches.")
    device: str = Field("cpu", description="PyTorch device, such as cpu or cuda.")

    @field_validator("members", mode="before")
    @classmethod
    def _some_members(cls, value: object) -> object:
        number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not number and value != "auto":
            raise ValueError(f"members == {value!r}, must be a whole number over 0 or 'auto'")
        return value

    @model_validator(mode="after")
    def _leaves_rows(self) -> Self:
        total = self.calibration_share + self.test_share
        if total >= 1:
            raise ValueError(f"calibration_share + test_share == {total:g}, must be < 1")
        return self


class Evaluation(Section):
    """How policies are valued from the log."""

    policies: tuple[str, ...] = Field(
        (),
        description="Policies beside the learned one: hold, uniform, greedy (without exploration), "
        "constant:MESSAGE, learned:OBJECTIVE, greedy:OBJECTIVE, release:NAME. Empty: what fits the log.",
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of every interval.")
    folds: int = Field(2, ge=2, le=20, description="Folds, by user, of the cross-fitted outcome model.")
    bootstrap: int = Field(500, ge=0, description="Bootstrap replications, by user; 0 for none.")
    journey: Duration = Field(
        "7d", description="How long after a decision its user's lifecycle stage is looked at again."
    )
    min_effective_share: Share = Field(
        0.02, description="Warn when the effective sample size is under this share of the decisions."
    )
    min_effective_size: float = Field(
        200, ge=0, description="Warn when the effective sample size is under this many decisions."
    )

    @field_validator("journey")
    @classmethod
    def _takes_time(cls, value: str) -> str:
        if parse_duration(value) <= 0:
            raise ValueError(f"journey == {value!r}, must be over 0")
        return value


class Exclusions(Section):
    """What is kept of the candidates that rules removed. They are counted all the same."""

    share: Share = Field(0.01, description="Share of the users whose removed candidates are written.")


class Holdout(Section):
    """Users who are in no experiment, ever: what all messages together are worth is read from them."""

    share: float = Field(
        0.0, ge=0, lt=1, description="Share of all users, by a hash; a larger one keeps those of a smaller."
    )
    policy: str = Field(
        "hold",
        description="Who decides for them: hold, uniform, learned, greedy, learned:OBJECTIVE, "
        "greedy:OBJECTIVE or constant:MESSAGE.",
    )


class Engine(Section):
    """How much of the machine a run takes."""

    threads: int = Field(0, ge=0, description="Threads for folds, models and tables; 0: all cores.")
    memory: str = Field("4GB", description="Memory that DuckDB may take before it spills to disk.")


def _default_channels() -> dict[str, Channel]:
    return {
        "push": Channel(quiet_hours=("22:00", "08:00"), caps=(Cap(max=1, per="1d"), Cap(max=4, per="7d"))),
        "email": Channel(quiet_hours=("22:00", "06:00"), caps=(Cap(max=2, per="7d"),)),
        "in_app": Channel(caps=(Cap(max=1, per="1d"),)),
    }


def _default_objectives() -> dict[str, Objective]:
    return {
        "conversion": Objective(event="converted", window="3d", weight=1.0),
        "engagement": Objective(event="session", window="1d", aggregate="sum", weight=0.002),
        "retention": Objective(event="session", window="7d", aggregate="active_days", weight=0.1),
        "reachability": Objective(event="opted_out", window="7d", direction="down", weight=3.0),
    }


class Config(Section):
    """The whole of `homing.toml`."""

    workspace: Workspace = Field(default_factory=Workspace)
    channels: dict[str, Channel] = Field(default_factory=_default_channels, min_length=1)
    limits: Limits = Field(default_factory=Limits)
    slots: Slots = Field(default_factory=Slots)
    objectives: dict[str, Objective] = Field(default_factory=_default_objectives, min_length=1)
    events: Events = Field(default_factory=Events)
    exploration: Exploration = Field(default_factory=Exploration)
    state: State = Field(default_factory=State)
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    exclusions: Exclusions = Field(default_factory=Exclusions)
    holdout: Holdout = Field(default_factory=Holdout)
    engine: Engine = Field(default_factory=Engine)
    costs: Costs = Field(default_factory=Costs)
    budgets: tuple[Budget, ...] = Field((), description="Limits that all users share.")

    @property
    def event_types(self) -> tuple[str, ...]:
        """All event types, in the order of their codes."""
        return tuple(dict.fromkeys((*EVENT_TYPES, *self.events.types)))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        for name, objective in self.objectives.items():
            if objective.event not in self.event_types:
                hint = nearest(objective.event, self.event_types) or "; declare it in events.types"
                problems.append(f"objectives.{name}.event == {objective.event!r} is no event type{hint}")
        if self.state.rhythm not in self.event_types:
            problems.append(f"state.rhythm == {self.state.rhythm!r} is no event type")
        for name, channel in self.channels.items():
            if len(set(channel.quiet_hours)) == 1:
                problems.append(f"channels.{name}.quiet_hours == {list(channel.quiet_hours)}, must differ")
        if parse_duration(self.slots.length) <= 0 or parse_duration(self.slots.length) > DAY:
            problems.append(f"slots.length == {self.slots.length!r}, must be over 0 and at most 1d")
        if parse_duration(self.slots.horizon) <= 0:
            problems.append(f"slots.horizon == {self.slots.horizon!r}, must be over 0")
        starts = {"slots.starts": self.slots.starts} | {
            f"channels.{name}.slots": channel.slots
            for name, channel in self.channels.items()
            if channel.slots is not None
        }
        for key, clocks in starts.items():
            if not clocks or any(later <= earlier for earlier, later in pairwise(clocks)):
                problems.append(f"{key} == {list(clocks)}, must be one or more clock times in rising order")
        problems += self._budget_problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _budget_problems(self) -> Iterator[str]:
        names = [budget.name for budget in self.budgets]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield f"budgets: {names.count(name)} have name == {name!r}, must differ"
        every = [("costs.channels", name) for name in self.costs.channels]
        for budget in self.budgets:
            every += [(f"budget {budget.name!r}: channel", channel) for channel in budget.channel or ()]
            if budget.objective is not None and budget.objective not in self.objectives:
                hint = nearest(budget.objective, self.objectives)
                yield f"budget {budget.name!r}: counts == {budget.counts!r}, which is no objective{hint}"
            starts = {
                clock
                for name, channel in self.channels.items()
                if budget.channel is None or name in budget.channel
                for clock in (self.slots.starts if channel.slots is None else channel.slots)
            }
            for clock in set(budget.slot or ()) - starts:
                yield f"budget {budget.name!r}: slot == {clock!r}, must be a start of its channels' slots"
            free = not any((*self.costs.channels.values(), *self.costs.messages.values()))
            if budget.counts == "cost" and free:
                yield f"budget {budget.name!r}: counts == 'cost', but nothing costs; set [costs] channels"
        for key, name in every:
            if name not in self.channels:
                yield f"{key} == {name!r}, which is no channel{nearest(name, self.channels)}"


def load_config(path: Path) -> Config:
    """Read `homing.toml`.

    Raises:
        ConfigError: the file is missing, is not TOML, or breaks a rule; all problems at once.
    """
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ConfigError([f"cannot be read ({error}); 'homing init' writes one"], str(path)) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"is not TOML: {error}"], path.name) from None
    return parse_config(data, path.name)


def parse_config(data: Mapping[str, Any], source: str = "homing.toml") -> Config:
    """Check a mapping that has the shape of `homing.toml`.

    Raises:
        ConfigError: with a line for each broken rule; a typo names the nearest key.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(problems_of(error, Config, "homing config explain"), source) from None


def problems_of(error: ValidationError, root: type[Section], explain: str) -> list[str]:
    """Return a line for each rule that a file of settings breaks; a typo names the nearest key.

    Args:
        error: of the whole file.
        root: what the file was read as.
        explain: the command that explains its keys.
    """
    return [line for item in error.errors() for line in _problem(item, root, explain)]


def _problem(item: Any, root: type[Section], explain: str) -> Iterator[str]:
    path = [part for part in item["loc"] if not (isinstance(part, str) and "[" in part)]
    name = ".".join(str(part) for part in path)
    known = path and path[0] in root.model_fields
    hint = f"; see '{explain} {path[0]}'" if known else f"; see '{explain}'"
    if item["type"] == "extra_forbidden":
        yield f"{name} is not a key{nearest(str(path[-1]), _keys_at(path[:-1], root))}{hint}"
    elif item["type"] == "value_error":
        for line in str(item["ctx"]["error"]).splitlines():
            yield f"{name}: {line}{hint}" if name else f"{line}{hint}"
    else:
        yield f"{name} == {item['input']!r}: {item['msg'].lower()}{hint}"


def _keys_at(path: list[Any], root: type[BaseModel]) -> list[str]:
    section = root
    for part in path:
        if part in section.model_fields:
            annotation = section.model_fields[part].annotation
            inner = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type)]
            section = next((a for a in inner if issubclass(a, BaseModel)), section)
    return list(section.model_fields)
