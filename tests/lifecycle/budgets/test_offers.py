"""Candidates on disk, and the demand that is made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from small_world import SmallWorld

from homing.decision import SharedLimits
from homing.decision.decide import offer
from homing.lifecycle.budgets.offers import Offers, Part
from homing.lifecycle.epoch import Offer, Scorer, users_at
from homing.schema import parse_config
from homing.store import load_shard

BUDGETS = [
    {"name": "email", "channel": "email", "max": 5},
    {"name": "annoyance", "counts": "objective:annoyance", "max": 1},
]


def test_what_is_written_comes_back_and_transactional_messages_leave_no_choice(
    small_world: SmallWorld, tmp_path: Path
) -> None:
    workspace, release = small_world.workspace, small_world.trained.release
    budgets = parse_config({**release.config.model_dump(mode="json"), "budgets": BUDGETS})
    policy, parts, contexts = release.policy(), [], []
    with Offers(tmp_path / "offers") as offers:
        for partition in range(2):
            loaded = load_shard(workspace, partition)
            shard = loaded.shard
            urgent = replace(shard.messages, transactional=np.arange(len(shard.messages)) % 9 == 0)
            shard = replace(shard, messages=urgent)
            rows = users_at(shard, small_world.end)
            context, removed = offer(shard, rows, workspace.config, Scorer(release, shard))
            limits = SharedLimits.of(budgets, shard.vocabularies, shard.messages, small_world.end)
            context = replace(context, arm=limits.arms(shard, context.candidates))
            offers.write({"": Offer(partition, replace(loaded, shard=shard), context, removed, np.zeros(3))})
            parts.append(Part.of(context, policy, limits))
            offers.add(parts[-1])
            contexts.append(context)
        demand = offers.demand(limits.uses)
        assert len(demand) == sum(len(context.candidates.rows) for context in contexts)
        assert (demand.values == np.concatenate([part.values for part in parts])).all()
        assert (demand.arm == np.concatenate([part.arm for part in parts])).all()
        assert demand.own is not None
        assert len(demand.own) == len(demand.values)
        assert (demand.own.amount >= 0).all()
        assert demand.own.amount.max() > 0
        forced = np.concatenate([context.forced for context in contexts]) >= 0
        assert 3 < forced.sum() < len(forced)
        assert (demand.counts[forced] == 1).all()
        counts = np.concatenate([context.candidates.counts for context in contexts])
        assert (demand.counts[~forced] == counts[~forced]).all()
        for context, partition in zip(contexts, range(2), strict=True):
            again = offers.read(partition).context
            assert (policy.probabilities(again) == policy.probabilities(context)).all()
            assert (again.forced == context.forced).all()
    assert not (tmp_path / "offers").exists()
