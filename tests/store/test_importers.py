from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homing.decision import build_candidates
from homing.schema import InputError, Shard, WorkspaceError
from homing.schema.times import DAY, HOUR
from homing.store.importers import import_hillstrom, import_open_bandit
from homing.store.shards import load_shard
from homing.store.workspace import Workspace

from .logs import ITEMS, hillstrom_csv, open_bandit_folder, real_log

pytestmark = pytest.mark.slow


def shards(path: Path) -> list[Shard]:
    workspace = Workspace.open(path)
    return [load_shard(workspace, partition).shard for partition in range(workspace.ledger.partitions)]


def outcomes(shard: Shard, event: str, window: int) -> np.ndarray:
    """Total value of one type of event within a window of each user's only decision: float [users]."""
    assert (np.diff(shard.decisions.offsets) == 1).all()
    user = np.repeat(np.arange(len(shard.users)), np.diff(shard.events.offsets))
    after = shard.events.at - shard.decisions.epoch_at[user]
    kind = shard.vocabularies.event_types.code(event)
    counts = (shard.events.type == kind) & (after >= 0) & (after < window)
    return np.bincount(user, np.where(counts, shard.events.value, 0.0), minlength=len(shard.users))


def arm_means(path: Path) -> dict[str, tuple[float, float]]:
    """Visit rate and spend by message of the decision."""
    parts = [
        pl.DataFrame(
            {
                "message": [
                    "hold" if code < 0 else shard.vocabularies.messages.names[code]
                    for code in shard.decisions.message
                ],
                "visit": outcomes(shard, "visit", 14 * DAY) > 0,
                "spend": outcomes(shard, "converted", 14 * DAY),
            }
        )
        for shard in shards(path)
    ]
    means = pl.concat(parts).group_by("message").agg(pl.col("visit").mean(), pl.col("spend").mean())
    return {message: (visit, spend) for message, visit, spend in means.rows()}


def test_a_trial_becomes_decisions_with_propensities_and_events(tmp_path: Path) -> None:
    csv = hillstrom_csv(tmp_path / "log.csv", rows=60)
    summary = import_hillstrom(tmp_path / "w", csv)
    assert summary.rows == {
        "users": 60,
        "messages": 2,
        "consents": 60,
        "opportunities": 120,
        "decisions": 60,
        "events": 12 + 6,
    }
    assert summary.arms == {"mens_email": 20, "womens_email": 20, "hold": 20}
    assert Workspace.open(tmp_path / "w").ledger.counts() == {**summary.rows, "exclusions": 0}
    for shard in shards(tmp_path / "w"):
        decisions = shard.decisions
        np.testing.assert_allclose(decisions.propensity, 1 / 3)
        assert (decisions.candidates == 3).all()
        held = decisions.message < 0
        assert (decisions.opportunity[held] == -1).all()
        assert (decisions.opportunity[~held] >= 0).all()
        np.testing.assert_array_equal(
            shard.opportunities.message[decisions.opportunity[~held]], decisions.message[~held]
        )
        assert np.diff(shard.opportunities.offsets).tolist() == [2] * len(shard.users)
        assert shard.opportunities.created_at.max(initial=0) < decisions.epoch_at.min(initial=2**62)
        assert (shard.events.decision == -1).all()
    by_hand = pl.read_csv(csv).group_by("segment").agg(pl.col("visit").mean(), pl.col("spend").mean())
    arms = {"Mens E-Mail": "mens_email", "Womens E-Mail": "womens_email", "No E-Mail": "hold"}
    found = arm_means(tmp_path / "w")
    for segment, visit, spend in by_hand.rows():
        assert found[arms[segment]] == pytest.approx((visit, spend))


def logged_sets(path: Path) -> tuple[set[int], set[tuple[str, ...]]]:
    """Sizes of the candidate sets that the rules give at the logged instants, and the messages in them."""
    config, sizes, messages = Workspace.open(path).config, set(), set()
    for shard in shards(path):
        candidates, _ = build_candidates(shard, shard.decisions.instants, config)
        sizes |= set(candidates.counts.tolist())
        names = ("hold", *shard.vocabularies.messages.names)
        for codes in np.split(candidates.message, candidates.offsets[1:-1]):
            messages.add(tuple(names[code + 1] for code in sorted(codes)))
    return sizes, messages


def test_the_rules_give_the_candidates_of_the_trial(tmp_path: Path) -> None:
    import_hillstrom(tmp_path / "w", hillstrom_csv(tmp_path / "log.csv"))
    assert logged_sets(tmp_path / "w") == ({3}, {("hold", "mens_email", "womens_email")})


def test_the_rules_give_the_items_of_an_impression(tmp_path: Path) -> None:
    import_open_bandit(tmp_path / "w", open_bandit_folder(tmp_path / "obd"))
    assert logged_sets(tmp_path / "w") == (
        {ITEMS + 1},
        {("hold", *(f"item-{item:02d}" for item in range(ITEMS)))},
    )


def test_importing_a_trial_again_adds_nothing(tmp_path: Path) -> None:
    csv = hillstrom_csv(tmp_path / "log.csv")
    import_hillstrom(tmp_path / "w", csv)
    before = Workspace.open(tmp_path / "w").ledger.counts()
    import_hillstrom(tmp_path / "w", csv)
    assert Workspace.open(tmp_path / "w").ledger.counts() == before


def test_impressions_become_decisions_with_their_propensities(tmp_path: Path) -> None:
    summary = import_open_bandit(tmp_path / "w", open_bandit_folder(tmp_path / "obd", rows=30))
    assert summary.arms == {"random": 30, "bts": 30}
    assert summary.rows == {
        "users": 60,
        "messages": ITEMS,
        "consents": 60,
        "opportunities": 60 * ITEMS,
        "decisions": 60,
        "events": 10,
    }
    assert any("hold" in line and "probability 0" in line for line in summary.assumed)
    clicks = 0
    for shard in shards(tmp_path / "w"):
        decisions, events, names = shard.decisions, shard.events, shard.vocabularies
        assert (decisions.candidates == ITEMS + 1).all()
        uniform = decisions.release == names.releases.code("random")
        assert (decisions.propensity[uniform] == 0.25).all()
        np.testing.assert_allclose(decisions.propensity[~uniform], 0.1 + decisions.message[~uniform] / 10)
        ahead = decisions.slot_start - decisions.epoch_at
        assert ((ahead > 0) & (ahead <= HOUR)).all()
        assert (shard.consents.channel == decisions.channel).all()
        assert (events.type == names.event_types.code("clicked")).all()
        assert (
            decisions.user[events.decision] == np.repeat(np.arange(len(shard.users)), np.diff(events.offsets))
        ).all()
        assert (decisions.message[events.decision] == events.message).all()
        clicks += len(events)
        affinity = shard.opportunities.numeric[:, names.numeric["opportunities"].index("x_affinity")]
        assert set(affinity.tolist()) <= {0.0, 1.0}
    assert clicks == 10


def test_importing_impressions_again_adds_nothing(tmp_path: Path) -> None:
    folder = open_bandit_folder(tmp_path / "obd")
    import_open_bandit(tmp_path / "w", folder)
    before = Workspace.open(tmp_path / "w").ledger.counts()
    import_open_bandit(tmp_path / "w", folder)
    assert Workspace.open(tmp_path / "w").ledger.counts() == before


def _edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("segment,visit", "segmnt,visit", r"has no column 'segment'; did you mean 'segmnt'\?"),
        ("Mens E-Mail", "Kids E-Mail", r"segment == 'Kids E-Mail', must be one of 'Mens E-Mail'"),
        ("29.99", "much", r"log\.csv is not the CSV file of the log: .*much"),
        ("Mens E-Mail,1,1,20.5", "Mens E-Mail,,1,20.5", r"line 2: visit is empty"),
    ],
)
def test_a_file_that_is_not_the_trial_is_an_error_and_makes_no_workspace(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    csv = hillstrom_csv(tmp_path / "log.csv")
    _edit(csv, old, new)
    with pytest.raises(InputError, match=message):
        import_hillstrom(tmp_path / "w", csv)
    assert not (tmp_path / "w").exists()


def test_files_that_are_missing_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv cannot be read: .*No such file"):
        import_hillstrom(tmp_path / "w", tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"empty\.csv is not the CSV file"):
        import_hillstrom(tmp_path / "w", tmp_path / "empty.csv")
    csv = hillstrom_csv(tmp_path / "log.csv")
    csv.write_text(csv.read_text().splitlines()[0])
    with pytest.raises(InputError, match="has a header but no rows"):
        import_hillstrom(tmp_path / "w", csv)
    with pytest.raises(InputError, match="holds 0 campaigns, must hold one"):
        import_open_bandit(tmp_path / "w", tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("bts/men.csv", "propensity_score", "pscore", r"bts/men\.csv has no column 'propensity_score'"),
        ("random/men.csv", "2019-11-24 00:03", "soon", r"random/men\.csv, line 2: timestamp == 'soon"),
        ("bts/item_context.csv", "-0.2", "-0.3", "describe different items"),
        ("random/men.csv", "user-item_affinity_3", "other", "no column 'user-item_affinity_3'"),
    ],
)
def test_a_folder_that_is_not_the_log_is_an_error_and_makes_no_workspace(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    folder = open_bandit_folder(tmp_path / "obd")
    _edit(folder / file, old, new)
    with pytest.raises(InputError, match=message):
        import_open_bandit(tmp_path / "w", folder)
    assert not (tmp_path / "w").exists()


def test_a_workspace_for_something_else_is_left_alone(tmp_path: Path) -> None:
    Workspace.create(tmp_path / "w")
    csv = hillstrom_csv(tmp_path / "log.csv")
    with pytest.raises(WorkspaceError, match=r"lacks objectives 'visits'.*event types 'visit'.*new folder"):
        import_hillstrom(tmp_path / "w", csv)
    assert Workspace.open(tmp_path / "w").ledger.counts()["users"] == 0


def test_the_real_trial_has_its_published_arm_means(tmp_path: Path) -> None:
    summary = import_hillstrom(tmp_path / "w", real_log("hillstrom") / "hillstrom.csv")
    assert summary.arms == {"mens_email": 21307, "womens_email": 21387, "hold": 21306}
    assert summary.ingested.quarantine is None
    counts = Workspace.open(tmp_path / "w").ledger.counts()
    assert (counts["users"], counts["decisions"], counts["opportunities"]) == (64000, 64000, 128000)
    found = arm_means(tmp_path / "w")
    assert found["mens_email"] == pytest.approx((0.182757, 1.422617), abs=1e-6)
    assert found["womens_email"] == pytest.approx((0.151400, 1.077202), abs=1e-6)
    assert found["hold"] == pytest.approx((0.106167, 0.652789), abs=1e-6)


def test_the_real_impressions_have_their_published_click_rates(tmp_path: Path) -> None:
    summary = import_open_bandit(tmp_path / "w", real_log("open_bandit_men"))
    assert summary.ingested.quarantine is None
    rows = {"random": 0, "bts": 0}
    clicks = {"random": 0, "bts": 0}
    for shard in shards(tmp_path / "w"):
        clicked = np.zeros(len(shard.decisions), bool)
        clicked[shard.events.decision] = True
        for policy in rows:
            is_policy = shard.decisions.release == shard.vocabularies.releases.code(policy)
            rows[policy] += int(is_policy.sum())
            clicks[policy] += int(clicked[is_policy].sum())
            if policy == "random":
                np.testing.assert_allclose(shard.decisions.propensity[is_policy], 1 / 34)
    assert rows == {"random": 10_000, "bts": 10_000}
    assert clicks == {"random": 46, "bts": 69}
