from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from homing.models import ResponseModel, fit_response
from homing.models.calibration import Scaling
from homing.models.fit import calibrate
from homing.schema import InputError, WorkspaceError

from .logs import HEADS, QUICK, make_log, ragged


def fit(members: int) -> ResponseModel:
    log, config = make_log(6_000), QUICK.model_copy(update={"members": members})
    return fit_response(
        log.features, log.outcomes, HEADS, np.arange(4_500), np.arange(4_500, 6_000), config, threads=1
    )


@pytest.fixture(scope="module")
def model() -> ResponseModel:
    return fit(1)


@pytest.fixture(scope="module")
def several() -> ResponseModel:
    return fit(3)


def test_importing_the_package_leaves_torch_alone() -> None:
    code = "import sys, homing.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("which", ["model", "several"])
def test_ragged_equals_one_by_one(which: str, request: pytest.FixtureRequest) -> None:
    model: ResponseModel = request.getfixturevalue(which)
    counts = np.random.default_rng(0).integers(0, 9, 2_000)  # empty sets too, and more than one batch
    features = ragged(counts)
    together = model.predict(features)
    assert together.shape == (counts.sum(), 2)
    assert together.dtype == np.float32
    for row in (0, 1, 17, 998, 999, 1_000, 1_999):
        alone = model.predict(features.take_rows(np.array([row])))
        low, high = features.offsets[row], features.offsets[row + 1]
        np.testing.assert_allclose(alone, together[low:high], rtol=2e-6)


def test_one_row_larger_than_a_batch(model: ResponseModel) -> None:
    features = ragged(np.array([2, 9_000, 0, 3]))
    assert np.isfinite(model.predict(features)).all()


def test_no_candidates(model: ResponseModel) -> None:
    assert model.predict(ragged(np.zeros(5, np.int64))).shape == (0, 2)


def test_new_codes_count_as_unknown(model: ResponseModel) -> None:
    features = ragged(np.full(20, 3, np.int64))
    grown = dataclasses.replace(
        features,
        spec=dataclasses.replace(features.spec, candidate_codes=(("channel", 9),)),
        candidate_codes=np.full_like(features.candidate_codes, 7),
        user_codes=np.full_like(features.user_codes, 99),
    )
    unknown = dataclasses.replace(
        features,
        candidate_codes=np.full_like(features.candidate_codes, -1),
        user_codes=np.full_like(features.user_codes, -1),
    )
    assert (model.predict(grown) == model.predict(unknown)).all()


def test_features_of_another_model(model: ResponseModel) -> None:
    features = ragged(np.ones(3, np.int64))
    other = dataclasses.replace(
        features, spec=dataclasses.replace(features.spec, user=("activity", "income"))
    )
    with pytest.raises(InputError, match=r"spec\.user differs from the model's in age, income"):
        model.predict(other)
    swapped = dataclasses.replace(features, spec=dataclasses.replace(features.spec, user=("age", "activity")))
    with pytest.raises(InputError, match="the order"):
        model.predict(swapped)


def test_a_message_that_is_not_in_the_table(model: ResponseModel) -> None:
    features = ragged(np.ones(3, np.int64))
    with pytest.raises(InputError, match="holds 4, but there are 4 messages"):
        model.predict(dataclasses.replace(features, message=np.array([-1, 0, 4], np.int32)))


def test_raw_outputs_are_the_mean_of_the_members(several: ResponseModel) -> None:
    features = ragged(np.random.default_rng(1).integers(0, 9, 200))
    base, delta = several.raw(features)
    alone = [
        ResponseModel(
            several.spec,
            several.heads,
            several.head_scales,
            several.scales,
            (network,),
            several.scalings,
            several.summary,
        ).raw(features)
        for network in several.networks
    ]
    np.testing.assert_allclose(base, np.mean([one[0].numpy() for one in alone], axis=0), atol=1e-6)
    np.testing.assert_allclose(delta, np.mean([one[1].numpy() for one in alone], axis=0), atol=1e-6)
    assert not (alone[0][0] == alone[1][0]).all()


@pytest.mark.parametrize("which", ["model", "several"])
def test_saved_and_loaded_predicts_the_same_bits(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: ResponseModel = request.getfixturevalue(which)
    features = ragged(np.full(100, 4, np.int64))
    model.save(tmp_path / "model")
    model.save(tmp_path / "model")  # replaces what is there
    loaded = ResponseModel.load(tmp_path / "model", threads=1)
    assert (loaded.predict(features) == model.predict(features)).all()
    assert (loaded.spec, loaded.heads) == (model.spec, model.heads)
    assert loaded.summary.losses == model.summary.losses
    loaded.save(tmp_path / "again")
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "model"]


@pytest.mark.parametrize(
    ("file", "harm", "rule"),
    [
        ("weights.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "sha256"),
        ("weights.safetensors", lambda data: data[:100], "sha256"),
        ("model.json", lambda data: data[:100], "readable"),
        ("model.json", lambda data: data.replace(b'"format": 2', b'"format": 9'), "format == 9"),
        ("model.json", lambda data: data.replace(b'"heads": 2', b'"heads": 3'), "readable"),
        ("model.json", lambda data: json.dumps({"format": 2}).encode(), "readable"),
    ],
)
def test_damaged_files(model: ResponseModel, tmp_path: Path, file: str, harm: object, rule: str) -> None:
    model.save(tmp_path / "model")
    path = tmp_path / "model" / file
    path.write_bytes(harm(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(WorkspaceError, match=rule):
        ResponseModel.load(tmp_path / "model")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"model\.json is missing"):
        ResponseModel.load(tmp_path)


def test_calibration_mends_a_model_that_is_off_scale(model: ResponseModel) -> None:
    log = make_log(8_000, seed=7)
    rows = np.arange(4_000)
    # a network that exaggerates, and is off by a factor of two in the odds
    off = model.with_calibration((Scaling(2.0, 0.5, 0.7), Scaling(2.0, 0.5, 0.7)), model.summary)
    scaled = {name: value.clone() for name, value in model.networks[0].state_dict().items()}
    try:
        for name in ("user.weight", "user.bias"):
            scaled[name][:2] += 0.4  # the linear path of both heads
        off.networks[0].load_state_dict(scaled)
        plain = off.with_calibration((Scaling(), Scaling()), model.summary)
        mended = calibrate(plain, log.features, log.outcomes, rows)
        before, after = plain.predict(log.features)[4_000:], mended.predict(log.features)[4_000:]
    finally:
        model.networks[0].load_state_dict({**scaled})
    truth = log.truth[4_000:]
    assert np.abs(after.mean(axis=0) - truth.mean(axis=0)).max() < 0.06
    assert (np.abs(after - truth).mean(axis=0) < np.abs(before - truth).mean(axis=0)).all()
