"""Hyper-parameters of value learning, each declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from homing.schema.errors import InputError


@dataclass(frozen=True)
class ValueSettings:
    """Of the network and its training.

    Raises:
        InputError: a number outside its range.
    """

    hidden: tuple[int, ...] = (256, 256)  # widths of the state's layers; (): a bilinear model
    action_hidden: int = 64  # width of the candidate's hidden layer; 0: none
    rank: int = 16  # dimensions in which state and candidate meet
    members: int = 1  # networks in the ensemble, each on its own resampling of users
    centred: bool = False  # what candidates change is fitted free of the state's part; needs propensities
    batch_size: int = 1024  # transitions in a gradient step
    steps: int = 10_000  # gradient steps
    learning_rate: float = 1e-3  # of Adam, falling linearly to 0
    weight_decay: float = 0.0  # decoupled, as in AdamW
    delta_decay: float = 0.0  # the same of the weights that make differences between candidates
    target_rate: float = 0.005  # share of the weights that the target network takes over at each step
    seed: int = 0
    device: str = "cpu"  # of PyTorch, such as "cuda"
    precision: Literal["float32", "bfloat16"] = "float32"  # of the network's products on a GPU

    def __post_init__(self) -> None:
        least: dict[str, tuple[float, float]] = {
            "action_hidden": (self.action_hidden, 0),
            "rank": (self.rank, 1),
            "members": (self.members, 1),
            "batch_size": (self.batch_size, 1),
            "steps": (self.steps, 1),
            "weight_decay": (self.weight_decay, 0),
            "delta_decay": (self.delta_decay, 0),
            **{f"hidden[{place}]": (width, 1) for place, width in enumerate(self.hidden)},
        }
        for name, (value, low) in least.items():
            if not value >= low:
                raise InputError(f"{name} == {value}, must be >= {low}; correct it in ValueSettings")
        for name in ("learning_rate", "target_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(
                    f"{name} == {getattr(self, name)}, must be in (0, 1]; correct it in ValueSettings"
                )
        if self.precision not in ("float32", "bfloat16"):
            raise InputError(f"precision == {self.precision!r}, must be 'float32' or 'bfloat16'")
