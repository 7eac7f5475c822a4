from collections.abc import Callable

import pytest
from command_line import Ran, run_homing

Homing = Callable[..., Ran]


@pytest.fixture
def homing() -> Homing:
    """Return the command line as a function of its arguments."""
    return run_homing
