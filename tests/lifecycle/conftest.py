import numpy as np
import pytest

from homing.lifecycle.valuation import Valued

ROWS = 600


@pytest.fixture
def valued() -> Valued:
    """Weights of 1, so a gain is the model's estimate less its prediction: 2 for A, 0 for B."""
    rng = np.random.default_rng(0)
    group = np.tile([0, 1, -1], ROWS // 3).astype(np.int32)
    outcome = rng.integers(0, 2, (ROWS, 3)).astype(np.float32)
    direct = np.zeros((ROWS, 1, 3), np.float32)
    direct[:, 0, 0] = np.where(group == 0, 2.0, 0.0) + 0.01 * rng.normal(size=ROWS)
    return Valued(
        user=np.arange(ROWS),
        release=np.zeros(ROWS, np.int32),
        test=np.ones(ROWS, np.bool_),
        day=np.zeros(ROWS, "datetime64[D]"),
        message=np.zeros(ROWS, np.int32),
        channel=np.zeros(ROWS, np.int16),
        propensity=np.ones(ROWS),
        offered=np.tile([[1, 0], [1, 2]], (ROWS // 2, 1)).astype(np.int32),
        outcome=outcome,
        expected=np.zeros((ROWS, 3), np.float32),
        fitted=np.zeros((ROWS, 3), np.float32),
        weight=np.ones((ROWS, 1), np.float32),
        direct=direct,
        send=np.ones((ROWS, 1), np.float32),
        people=np.zeros((ROWS, 0), np.float32),
        traits=np.column_stack([group, np.zeros(ROWS, np.int32)]),
        stage=np.tile([0, 4], ROWS // 2).astype(np.int8),
        later=np.tile([1, 4], ROWS // 2).astype(np.int8),
        domains=np.tile([[True, True], [True, False]], (ROWS // 2, 1)),
        lift=np.zeros((ROWS, 0, 3), np.float32),
    )
