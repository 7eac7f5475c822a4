"""Small files in the shape of the public logs, and where the real ones are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ITEMS = 4


def real_log(name: str) -> Path:
    """Return the folder of a real log, or skip the test."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("HOMING_DATA", root.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(
            f"the real log {name!r} is not in the folder that HOMING_DATA names, nor beside the project"
        )
    return folder


def hillstrom_csv(path: Path, rows: int = 60) -> Path:
    """Write a small trial of the same shape: the three arms in turn; every 5th visits, every 10th buys."""
    number = np.arange(rows)
    segment = np.array(["Mens E-Mail", "Womens E-Mail", "No E-Mail"])[number % 3]
    buys = number % 10 == 0
    frame = pl.DataFrame(
        {
            "recency": number % 12 + 1,
            "history_segment": np.array(["1) $0 - $100", "2) $100 - $200"])[number % 2],
            "history": number + 29.99,
            "mens": number % 2,
            "womens": 1 - number % 2,
            "zip_code": np.array(["Surburban", "Urban", "Rural"])[number % 3],
            "newbie": number % 2,
            "channel": np.array(["Web", "Phone", "Multichannel"])[number % 3],
            "segment": segment,
            "visit": (number % 5 == 0).astype(int),
            "conversion": buys.astype(int),
            "spend": np.where(buys, 20.5, 0.0),
        }
    )
    frame.write_csv(path)
    return path


def open_bandit_folder(path: Path, rows: int = 30) -> Path:
    """Write a small campaign of the same shape: 4 items, the uniform policy and another one."""
    for policy in ("random", "bts"):
        (path / policy).mkdir(parents=True)
        item, number = np.arange(ITEMS), np.arange(rows)
        pl.DataFrame(
            {
                "": item,
                "item_id": item,
                "item_feature_0": item / 10 - 0.2,
                **{f"item_feature_{k}": [f"{policy}{k}{i % 2}" for i in item] for k in (1, 2, 3)},
            }
        ).write_csv(path / policy / "item_context.csv")
        minutes = [f"2019-11-24 {n // 4:02d}:{7 * (n % 4) + 3:02d}:13.4425{n:02d}+00:00" for n in number]
        pl.DataFrame(
            {
                "": number,
                "timestamp": minutes,
                "item_id": number % ITEMS,
                "position": number % 3 + 1,
                "click": (number % 7 == 0).astype(int),
                "propensity_score": np.full(rows, 0.25) if policy == "random" else 0.1 + number % 4 / 10,
                **{f"user_feature_{k}": [f"u{k}{n % (k + 2)}" for n in number] for k in range(4)},
                **{f"user-item_affinity_{i}": (number == i).astype(float) for i in item},
            }
        ).write_csv(path / policy / "men.csv")
    return path
