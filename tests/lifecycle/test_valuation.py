import numpy as np
import pytest
from numpy.typing import NDArray
from small_world import SmallWorld

from homing.decision import Context, Hold, Policy, Uniform
from homing.decision.replay import replay
from homing.evaluation import LogFaults
from homing.lifecycle.population import Portrait
from homing.lifecycle.progress import Silent
from homing.lifecycle.replay import observed_until, outcomes_of
from homing.lifecycle.splits import TEST
from homing.lifecycle.valuation import Agreement, Valued, gather_chosen, value_decisions
from homing.schema import Features, Shard
from homing.store import load_shard

FOLD = 7.0  # the predictions of the stand-in model: message code + 1, and hold's is this


def stand_in(
    features: Features, user_hash: NDArray[np.uint64], logged_by: NDArray[np.int32]
) -> NDArray[np.float32]:
    """A cross-fitted model that can be summed by hand: it depends on the user and the message only."""
    user = (user_hash[features.row] % np.uint64(5)).astype(np.float32)
    worth = np.where(features.is_hold, FOLD, features.message + 1.0) + user
    return np.stack([worth, 2 * worth, -worth], axis=1).astype(np.float32)


def is_test(world: SmallWorld, shard: Shard) -> NDArray[np.bool_]:
    log = shard.decisions
    return world.trained.release.split.assign(shard.users, log.user, log.epoch_at) == TEST


@pytest.fixture(scope="module")
def policies(small_world: SmallWorld) -> tuple[Policy, ...]:
    return Uniform(), Hold(), small_world.trained.release.policy()


@pytest.fixture(scope="module")
def valued(small_world: SmallWorld, policies: tuple[Policy, ...]) -> tuple[Valued, Agreement]:
    def wanted(shard: Shard) -> NDArray[np.bool_]:
        return is_test(small_world, shard) & (shard.decisions.epoch_at < small_world.end)

    return value_decisions(
        small_world.workspace,
        small_world.trained.release,
        policies,
        {},
        Portrait.choose(small_world.trained.release.view, 0, small_world.end),
        wanted,
        lambda shard: is_test(small_world, shard),
        stand_in,
        len(small_world.workspace.ledger.vocabularies().messages),
        Silent(),
    )


def test_every_sum_is_that_of_a_loop(
    small_world: SmallWorld, policies: tuple[Policy, ...], valued: tuple[Valued, Agreement]
) -> None:
    found, agreement = valued
    assert agreement.other_set == 0
    assert agreement.faults == LogFaults(len(found), certain=agreement.faults.certain)
    assert len(found) > 2_000
    release, place = small_world.trained.release, 0
    for partition in range(small_world.workspace.ledger.partitions):
        shard = load_shard(small_world.workspace, partition).shard
        log = shard.decisions
        rows = np.flatnonzero(is_test(small_world, shard) & (log.epoch_at < small_world.end))
        for row in rows[::97].tolist():
            here = place + int(np.searchsorted(rows, row))
            seen = replay(shard, np.array([row]), small_world.workspace.config)
            features = release.view.features(shard, seen.candidates)
            values = release.model.predict(features)
            user = log.user[row]
            fitted = stand_in(features, shard.users.hash[[user], 0], log.release[[row]])
            chosen = int(seen.chosen[0])
            assert found.user[here] == (partition << 40) + int(user)
            assert found.propensity[here] == log.propensity[row]
            assert found.message[here] == log.message[row]
            assert found.fitted[here] == pytest.approx(fitted[chosen])
            assert found.expected[here] == pytest.approx(values[chosen], rel=1e-4)
            context = Context(shard, seen.candidates, values)
            for k, policy in enumerate(policies):
                share = policy.probabilities(context)
                direct = [sum(p * f for p, f in zip(share, fitted[:, j], strict=True)) for j in range(3)]
                assert found.weight[here, k] == pytest.approx(share[chosen] / log.propensity[row], rel=1e-3)
                assert found.direct[here, k] == pytest.approx(direct, rel=1e-3)
                sending = sum(share[c] for c in range(len(share)) if seen.candidates.message[c] >= 0)
                assert found.send[here, k] == pytest.approx(sending, abs=1e-4)
            for code in range(len(shard.vocabularies.channels)):
                assert found.offered[here, code] == sum(seen.candidates.channel == code)
            for message in range(len(shard.vocabularies.messages)):
                of = [c for c in range(len(seen.candidates)) if seen.candidates.message[c] == message]
                lift = found.lift[here, message]
                if of:
                    mean = np.mean([values[c] - values[0] for c in of], axis=0)
                    assert lift == pytest.approx(mean, rel=1e-2, abs=1e-5)
                else:
                    assert np.isnan(lift).all()
        place += len(rows)
    assert place == len(found)


def test_policies_that_do_not_look_have_weights_known_beforehand(valued: tuple[Valued, Agreement]) -> None:
    found, _ = valued
    candidates = found.offered.sum(axis=1) + 1
    assert found.weight[:, 0] == pytest.approx(1 / candidates / found.propensity, rel=1e-5)
    assert found.weight[:, 1] == pytest.approx((found.message < 0) / found.propensity, rel=1e-5)
    assert found.send[:, 0] == pytest.approx(1 - 1 / candidates, rel=1e-5)
    assert (found.send[:, 1] == 0).all()


def test_outcomes_of_choices_are_those_of_the_log(
    small_world: SmallWorld, valued: tuple[Valued, Agreement]
) -> None:
    workspace, release = small_world.workspace, small_world.trained.release

    def wanted(shard: Shard) -> NDArray[np.bool_]:
        return is_test(small_world, shard) & (shard.decisions.epoch_at < small_world.end)

    chosen = gather_chosen(workspace, release.view, wanted, Silent())
    assert np.array_equal(chosen.outcome, valued[0].outcome, equal_nan=True)
    assert (np.diff(chosen.features.offsets) == 1).all()
    parts, hashes = [], []
    for partition in range(workspace.ledger.partitions):
        shard = load_shard(workspace, partition).shard
        rows = np.flatnonzero(wanted(shard))
        parts.append(outcomes_of(shard, rows, workspace.config, observed_until(workspace)))
        hashes.append(shard.users.hash[shard.decisions.user[rows], 0])
    assert np.array_equal(chosen.outcome, np.concatenate(parts), equal_nan=True)
    assert np.array_equal(chosen.user_hash, np.concatenate(hashes))
