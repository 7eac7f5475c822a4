"""A response model as files: weights as safetensors, all else as JSON that holds their sha256."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors

from homing.models.calibration import Scaling
from homing.models.heads import Head, HeadScale
from homing.models.inputs import ColumnScale
from homing.models.network import BlockShape, Network, NetworkShape
from homing.models.response import ResponseModel, Scales
from homing.models.summary import EpochLoss, HeadCalibration, TrainingSummary
from homing.schema import FeatureSpec, WorkspaceError

_FORMAT: Final = 2
_WEIGHTS: Final = "weights.safetensors"
_FACTS: Final = "model.json"
_BLOCKS: Final = ("user", "message", "candidate")


def save_model(model: ResponseModel, folder: Path) -> None:
    """Write the model into `folder`, which is replaced where it exists."""
    tensors = {
        f"{_prefix(member)}{name}": value.cpu()
        for member, network in enumerate(model.networks)
        for name, value in network.state_dict().items()
    }
    for block in _BLOCKS:
        scale: ColumnScale = getattr(model.scales, block)
        for field in dataclasses.fields(ColumnScale):
            tensors[f"scale.{block}.{field.name}"] = torch.from_numpy(getattr(scale, field.name))
    weights = dump_tensors({name: value.contiguous() for name, value in tensors.items()})
    summary = {
        # equal training gives equal files, and so an equal release; times would break that
        name: value
        for name, value in dataclasses.asdict(model.summary).items()
        if name not in ("seconds", "rows_per_second")
    }
    facts = {
        "format": _FORMAT,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "spec": dataclasses.asdict(model.spec),
        "heads": [dataclasses.asdict(head) for head in model.heads],
        "head_scales": [dataclasses.asdict(scale) for scale in model.head_scales],
        "scalings": [dataclasses.asdict(scaling) for scaling in model.scalings],
        "network": dataclasses.asdict(model.networks[0].shape),
        "summary": summary,
    }
    folder = Path(folder)
    staging = folder.with_name(f".{folder.name}-{os.getpid()}")
    retired = folder.with_name(f".{folder.name}-{os.getpid()}-old")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    (staging / _WEIGHTS).write_bytes(weights)
    (staging / _FACTS).write_text(json.dumps(facts, indent=1))
    if folder.exists():
        folder.rename(retired)
    staging.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)


def load_model(folder: Path, device: str, threads: int) -> ResponseModel:
    """Read a model from `folder`.

    Raises:
        WorkspaceError: the folder holds no model, or its files are corrupt or do not belong together.
    """
    folder = Path(folder)
    for name in (_FACTS, _WEIGHTS):
        if not (folder / name).is_file():
            raise WorkspaceError(f"{folder} holds no model ({name} is missing); run 'homing train'")
    weights = (folder / _WEIGHTS).read_bytes()
    try:
        facts = json.loads((folder / _FACTS).read_text())
        if facts["format"] != _FORMAT:
            raise WorkspaceError(
                f"{folder / _FACTS}: format == {facts['format']}, this version reads {_FORMAT}; train again"
            )
        digest = hashlib.sha256(weights).hexdigest()
        if digest != facts["sha256"]:
            raise WorkspaceError(
                f"{folder / _WEIGHTS} has sha256 {digest[:12]}..., but {_FACTS} says "
                f"{facts['sha256'][:12]}...: it is damaged or of another model; restore it or train again"
            )
        return _build(facts, load_tensors(weights), device, threads)
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise WorkspaceError(
            f"{folder} does not hold a readable model ({type(error).__name__}: {error}); "
            "restore it or train again"
        ) from error


def _build(
    facts: dict[str, Any], tensors: dict[str, torch.Tensor], device: str, threads: int
) -> ResponseModel:
    shape = facts["network"]
    blocks = {
        block: BlockShape(shape[block]["columns"], tuple(shape[block]["cardinalities"])) for block in _BLOCKS
    }
    network_shape = NetworkShape(**{**shape, **blocks, "hidden": tuple(shape["hidden"])})
    networks = []
    for member in range(facts["summary"].get("members", 1)):
        network, prefix = Network(network_shape), _prefix(member)
        network.load_state_dict(
            {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        )
        networks.append(network)
    scales = Scales(
        **{
            block: ColumnScale(
                **{
                    field.name: tensors[f"scale.{block}.{field.name}"].numpy()
                    for field in dataclasses.fields(ColumnScale)
                }
            )
            for block in _BLOCKS
        }
    )
    summary = facts["summary"]
    return ResponseModel(
        spec=_spec(facts["spec"]),
        heads=tuple(Head(**head) for head in facts["heads"]),
        head_scales=tuple(HeadScale(**scale) for scale in facts["head_scales"]),
        scales=scales,
        networks=tuple(networks),
        scalings=tuple(Scaling(**scaling) for scaling in facts["scalings"]),
        summary=TrainingSummary(
            **{
                **summary,
                "baseline_epochs": tuple(summary["baseline_epochs"]),
                "losses": tuple(EpochLoss(**loss) for loss in summary["losses"]),
                "calibration": tuple(HeadCalibration(**head) for head in summary["calibration"]),
                "constant": tuple(summary.get("constant", ())),
                "seconds": float("nan"),
                "rows_per_second": float("nan"),
            }
        ),
        device=device,
        threads=threads,
    )


def _prefix(member: int) -> str:
    return f"network{member or ''}."


def _spec(facts: dict[str, Any]) -> FeatureSpec:
    def codes(block: str) -> tuple[tuple[str, int], ...]:
        return tuple((name, size) for name, size in facts[block])

    return FeatureSpec(
        user=tuple(facts["user"]),
        candidate=tuple(facts["candidate"]),
        message=tuple(facts["message"]),
        user_codes=codes("user_codes"),
        candidate_codes=codes("candidate_codes"),
        message_codes=codes("message_codes"),
    )
