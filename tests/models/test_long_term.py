import dataclasses
from pathlib import Path

import numpy as np
import pytest

from homing.models import LongTermModel, ResponseModel, fit_response, load_value_model
from homing.models.advantage import Advantage, EffectCurve, fit_baselines, measure_basis
from homing.models.heads import Head
from homing.schema import Features, FeatureSpec, WorkspaceError
from homing.schema.config import Training

SPEC = FeatureSpec(
    user=("session.organic.28d",),
    candidate=("channel.delivered.28d",),
    message=(),
    user_codes=(("plan", 2),),
    candidate_codes=(("channel", 2),),
    message_codes=(("message", 2), ("domain", 2)),
)
HEADS = (
    Head("sales", "binary"),
    Head("days", "mean"),
    Head("message.opened", "binary"),
    Head("message.clicked", "binary"),
)
SETS, SIZE = 600, 3  # hold, a by the first channel, b by the second


def features() -> Features:
    draw = np.random.default_rng(0)
    rows = SETS * SIZE
    candidate = draw.random((rows, 1)).astype(np.float32)
    candidate[::SIZE] = np.nan
    return Features(
        spec=SPEC,
        offsets=np.arange(SETS + 1) * SIZE,
        user=draw.normal(size=(SETS, 1)).astype(np.float32),
        user_codes=draw.integers(0, 2, (SETS, 1)).astype(np.int32),
        candidate=candidate,
        candidate_codes=np.tile([-1, 0, 1], SETS)[:, None].astype(np.int32),
        message=np.tile([-1, 0, 1], SETS).astype(np.int32),
        messages=np.zeros((2, 0), np.float32),
        messages_codes=np.array([[0, 0], [1, 1]], np.int32),
    )


@pytest.fixture(scope="module")
def model() -> LongTermModel:
    """A response model, and effects on `days` that are told and not learned."""
    seen, draw = features(), np.random.default_rng(1)
    outcomes = draw.integers(0, 2, (len(seen), len(HEADS))).astype(np.float32)
    rows = np.arange(SETS)
    flat = dataclasses.replace(seen.take_rows(rows), offsets=np.arange(len(seen) + 1))
    flat = dataclasses.replace(
        flat, user=np.repeat(seen.user, SIZE, 0), user_codes=np.repeat(seen.user_codes, SIZE, 0)
    )
    quick = Training(members=1, epochs=1, hidden=(4,), embedding=2)
    every = np.arange(len(seen))
    response = fit_response(flat, outcomes, HEADS, every[:1_500], every[1_500:], quick, threads=1)
    basis = measure_basis(SPEC, tuple(h.name for h in HEADS), "session", seen, response.predict(seen))
    first, later = np.zeros((2, len(basis)))
    first[0], later[0] = 0.25, -1.0  # of any send
    curve = EffectCurve(4.0, first, later, np.eye(len(basis)), 1.5)
    weeks = draw.poisson(6, (SETS, 1)).astype(np.float32)
    _, baseline = fit_baselines(SPEC, seen.user, seen.user_codes, weeks, rows % 2, 2)
    advantage = Advantage(("days",), (14,), basis, (curve,), baseline)
    return LongTermModel(response, advantage, ("sales", "days"))


def test_a_horizon_replaces_the_response_and_nothing_else(model: LongTermModel) -> None:
    seen = features()
    values, plain = model.predict(seen), model.response.predict(seen)
    assert values.shape == (SETS * SIZE, 2)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[:, 0], plain[:, 0])
    base = model.advantage.baseline.predict(seen)[:, 0]
    wanted = base[:, None] + np.array([0.0, -0.75, -0.75])  # 0.25 now and -1 later, against hold
    np.testing.assert_allclose(values[:, 1].reshape(-1, SIZE), wanted, rtol=1e-5)


def test_effects_add_up_to_differences_of_values(model: LongTermModel) -> None:
    seen = features()
    now, later = model.effects(seen)
    np.testing.assert_array_equal(now[::SIZE], 0.0)  # hold
    np.testing.assert_array_equal(later[::SIZE], 0.0)
    np.testing.assert_allclose(now[1::SIZE, 1], 0.25)
    np.testing.assert_allclose(later[1::SIZE, 1], -1.0)
    np.testing.assert_array_equal(later[:, 0], 0.0)  # no horizon: all of it counts as of the first day
    values = model.predict(seen).astype(np.float64)
    np.testing.assert_allclose(now + later, values - np.repeat(values[::SIZE], SIZE, 0), atol=1e-5)


def test_read_back_it_predicts_the_same(model: LongTermModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    read = load_value_model(tmp_path, model.objectives)
    assert isinstance(read, LongTermModel)
    seen = features()
    np.testing.assert_array_equal(read.predict(seen), model.predict(seen))
    for found, wanted in zip(read.effects(seen), model.effects(seen), strict=True):
        np.testing.assert_array_equal(found, wanted)
    curve, kept = read.advantage.curves[0], model.advantage.curves[0]
    assert (curve.half_life, curve.log_evidence) == (kept.half_life, kept.log_evidence)
    np.testing.assert_array_equal(curve.covariance, kept.covariance)


def test_without_effects_it_is_a_response_model(model: LongTermModel, tmp_path: Path) -> None:
    model.response.save(tmp_path)
    assert isinstance(load_value_model(tmp_path, model.objectives), ResponseModel)


def test_a_damaged_file_says_so(model: LongTermModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    (tmp_path / "advantage.safetensors").write_bytes(b"nothing")
    with pytest.raises(WorkspaceError, match="does not hold readable long-term effects"):
        load_value_model(tmp_path, model.objectives)
