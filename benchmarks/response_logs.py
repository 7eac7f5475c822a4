"""Logs that the model benchmarks learn from: Hillstrom's trial, a synthetic streaming log, a workspace."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homing.decision.replay import batches
from homing.lifecycle.progress import Silent
from homing.lifecycle.replay import View, chosen_candidates, observed_until, outcomes_of
from homing.lifecycle.splits import CALIBRATION, LEFT_OUT, TEST, TRAIN
from homing.lifecycle.train import heads_of, survey
from homing.models import Head
from homing.schema import Features, FeatureSpec
from homing.state import StateLayout, feature_spec
from homing.store import Workspace, load_shard


@dataclass(frozen=True)
class Log:
    """Decisions with one candidate each, and how they are split."""

    features: Features
    outcomes: NDArray[np.float32]  # [rows, heads]
    heads: tuple[Head, ...]
    train: NDArray[np.int64]
    calibration: NDArray[np.int64]
    test: NDArray[np.int64]
    truth: NDArray[np.float32] | None = None  # [rows, heads] mean outcome, where it is known
    truth_hold: NDArray[np.float32] | None = None  # [rows, heads] mean outcome, had it been hold


def hillstrom(path: Path, seed: int) -> Log:
    """Half for training (a fifth of it for calibration), half for testing, at random."""
    with path.open() as file:
        rows = list(csv.DictReader(file))

    def numbers(name: str) -> NDArray[np.float32]:
        return np.array([float(row[name]) for row in rows], np.float32)

    def codes(name: str) -> tuple[NDArray[np.int32], int]:
        names, found = np.unique([row[name] for row in rows], return_inverse=True)
        return found.astype(np.int32), len(names)

    numeric = ("recency", "history", "mens", "womens", "newbie")
    categorical = {name: codes(name) for name in ("history_segment", "zip_code", "channel")}
    segments = {"No E-Mail": -1, "Mens E-Mail": 0, "Womens E-Mail": 1}
    n = len(rows)
    features = Features(
        spec=FeatureSpec(
            user=numeric,
            candidate=(),
            message=(),
            user_codes=tuple((name, size) for name, (_, size) in categorical.items()),
            candidate_codes=(),
            message_codes=(("message", 2),),
        ),
        offsets=np.arange(n + 1),
        user=np.stack([numbers(name) for name in numeric], axis=1),
        user_codes=np.stack([found for found, _ in categorical.values()], axis=1),
        candidate=np.zeros((n, 0), np.float32),
        candidate_codes=np.zeros((n, 0), np.int32),
        message=np.array([segments[row["segment"]] for row in rows], np.int32),
        messages=np.zeros((2, 0), np.float32),
        messages_codes=np.array([[0], [1]], np.int32),
    )
    order = np.random.default_rng(seed).permutation(n)
    half, fit = n // 2, n * 2 // 5
    outcomes = np.stack([numbers(name) for name in ("visit", "conversion", "spend")], axis=1)
    heads = (Head("visit", "binary"), Head("conversion", "binary"), Head("spend", "mean"))
    return Log(
        features, outcomes, heads, np.sort(order[:fit]), np.sort(order[fit:half]), np.sort(order[half:])
    )


def streaming(rows: int, seed: int) -> Log:
    """Users with ten decisions each in time order; the last three are calibration and test.

    Counts are heavy-tailed and noisy views of latent traits; messages work by affinity to categories, by
    channel and by hour, fatigue with recent sends, and add little to what users do anyway.
    """
    draw = np.random.default_rng(seed)
    each, categories, catalogue = 10, 12, 300
    users = rows // each
    rows = users * each
    latent = draw.normal(size=(users, 6))
    affinity = (
        draw.normal(size=(users, categories)) * 0.7 + latent[:, :4] @ draw.normal(size=(4, categories)) * 0.4
    )
    user = np.repeat(np.arange(users), each)
    step = np.tile(np.arange(each), users)
    mood = draw.normal(size=rows) * 0.5
    activity = latent[user, 0] + mood
    rates = np.exp(0.6 * (latent[user] @ draw.normal(size=(6, 24))) + 0.6 * activity[:, None] - 0.5)
    counts = np.log1p(draw.poisson(rates) * draw.choice([1, 1, 3], 24))
    since = np.log1p(draw.exponential(np.exp(2 - activity)))
    since[draw.random(rows) < 0.08] = np.nan
    sends = draw.poisson(2, rows)
    numeric = np.column_stack(
        [counts, since, np.log1p(sends), draw.exponential(300, users)[user], draw.normal(size=(rows, 12))]
    )
    plan = np.clip((latent[:, 1] + draw.normal(size=users)).round() + 1, 0, 3).astype(np.int32)
    country = draw.integers(0, 30, users).astype(np.int32)

    category = draw.integers(0, categories, catalogue).astype(np.int32)
    quality = draw.normal(size=catalogue) * 0.3
    message = draw.integers(0, catalogue, rows).astype(np.int32)
    message[draw.random(rows) < 0.25] = -1
    sent, kind = message >= 0, category[message]
    channel = np.where(sent, draw.integers(0, 3, rows), -1).astype(np.int32)
    hour = draw.integers(7, 23, rows).astype(np.int32)
    pair = affinity[user, kind]
    value = (pair + draw.normal(size=rows) * 0.7).astype(np.float32)
    value[draw.random(rows) < 0.2] = np.nan
    seen = np.log1p(draw.poisson(np.exp(0.5 * pair)))
    responded = np.log1p(draw.poisson(np.exp(0.9 * pair - 0.5)))

    push = np.array([0.35, 0.0, 0.2])[channel] * (1 + 0.5 * np.tanh(latent[user, 2]))
    evening = 0.25 * np.cos((hour - 19) / 24 * 2 * np.pi) * np.where(latent[user, 3] > 0, 1, -1)
    change = sent * (0.25 * pair + quality[message] + push + evening - 0.25 * np.log1p(sends))
    quirk = 0.4 * np.sin(2 * latent[user, 4]) + 0.3 * (plan[user] == 2) * np.tanh(activity)
    active = -0.3 + 1.1 * activity + quirk + draw.normal(size=30)[country[user]] * 0.3
    hold = _means(active, np.zeros(rows), np.zeros(rows))
    truth = _means(active, change, sends * sent)
    session, converted, left = (draw.random(rows) < truth[:, place] for place in range(3))
    days = draw.binomial(7, truth[:, 3] / 7)
    minutes = (
        (draw.random(rows) < truth[:, 0])
        * draw.lognormal(0, 1.2, rows)
        * (truth[:, 4] / truth[:, 0] / np.exp(0.72))
    )
    features = Features(
        spec=FeatureSpec(
            user=tuple(f"u{place}" for place in range(numeric.shape[1])),
            candidate=("value", "seen", "responded", "hour.sin", "hour.cos"),
            message=("quality",),
            user_codes=(("plan", 4), ("country", 30)),
            candidate_codes=(("channel", 3), ("hour", 24)),
            message_codes=(("message", catalogue), ("category", categories)),
        ),
        offsets=np.arange(rows + 1),
        user=numeric.astype(np.float32),
        user_codes=np.stack([plan[user], country[user]], axis=1),
        candidate=np.column_stack(
            [value, seen, responded, np.sin(hour / 24 * 2 * np.pi), np.cos(hour / 24 * 2 * np.pi)]
        ).astype(np.float32),
        candidate_codes=np.stack([channel, hour], axis=1),
        message=message,
        messages=(quality + draw.normal(size=catalogue) * 0.3)[:, None].astype(np.float32),
        messages_codes=np.stack([np.arange(catalogue, dtype=np.int32), category], axis=1),
    )
    names = (
        ("session", "binary"),
        ("converted", "binary"),
        ("opted_out", "binary"),
        ("days", "mean"),
        ("minutes", "mean"),
    )
    parts = [np.flatnonzero(step < 7), np.flatnonzero(step == 7), np.flatnonzero(step > 7)]
    return Log(
        features,
        np.column_stack([session, converted, left, days, minutes]).astype(np.float32),
        tuple(Head(name, kind) for name, kind in names),
        *parts,
        truth=truth.astype(np.float32),
        truth_hold=hold.astype(np.float32),
    )


def _means(
    active: NDArray[np.float64], change: NDArray[np.float64], pressure: NDArray[np.float64]
) -> NDArray[np.float64]:
    def squash(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-z))

    session = squash(active + change)
    return np.column_stack(
        [
            session,
            squash(-4 + 0.5 * active + 1.2 * change),
            squash(-6.5 + 0.35 * pressure - 0.4 * active),
            7 * squash(0.8 * active + 0.5 * change - 0.3),
            session * 20 * np.exp(0.5 * active + 0.3 * change),
        ]
    )


def workspace_log(folder: Path, most: int, seed: int) -> Log:
    """Read a workspace's log through the pipeline: features as of each decision, outcomes after it.

    Splits are the ones of `homing train`; the outcomes of the test part are those known today. Decisions
    without one are left out, and more than `most` are sampled down by user; seeds from 0 on draw users of
    whom none is in two samples, until all have had their turn.
    """
    workspace = Workspace.open(folder)
    config, vocabularies = workspace.config, workspace.ledger.vocabularies()
    watermark = observed_until(workspace)
    split, rhythm = survey(workspace, watermark, Silent())
    decisions = sum(
        len(load_shard(workspace, partition, tables=("users", "decisions")).shard.decisions)
        for partition in range(workspace.ledger.partitions)
    )
    share = min(1.0, most / decisions)
    layout = StateLayout.from_config(config, vocabularies)
    view = View(config, layout, feature_spec(layout, vocabularies), rhythm)
    features, outcomes, parts = [], [], []
    for partition in range(workspace.ledger.partitions):
        shard = load_shard(workspace, partition).shard
        part = split.assign(shard.users, shard.decisions.user, shard.decisions.epoch_at)
        place = shard.users.hash[shard.decisions.user, 1] / 2.0**64
        drawn = (place - seed * share) % 1.0 < share
        for row in batches(shard.decisions, drawn & (part != LEFT_OUT)):
            learned = outcomes_of(shard, row, config, split.outcomes_until(watermark))
            followed = np.where(
                (part[row] == TEST)[:, None], outcomes_of(shard, row, config, watermark), learned
            )
            known = np.isfinite(followed).any(axis=1)
            if known.any():
                features.append(view.features(shard, chosen_candidates(shard, row[known])))
                outcomes.append(followed[known])
                parts.append(part[row[known]])
    split_of = np.concatenate(parts)
    train, calibration, test = (np.flatnonzero(split_of == part) for part in (TRAIN, CALIBRATION, TEST))
    return Log(
        Features.concatenate(features), np.concatenate(outcomes), heads_of(config), train, calibration, test
    )
