"""Ranges cover every user once, and a failure in one of them is not lost."""

import numpy as np
import pytest

from homing.state.threads import over_users


@pytest.mark.parametrize("users", [0, 1, 255, 256, 257, 5000])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_every_user_once(users: int, threads: int) -> None:
    seen = np.zeros(users, int)

    def take(first: int, last: int) -> None:
        seen[first:last] += 1

    over_users(take, users, threads)
    assert (seen == 1).all()


def test_a_failure_is_raised() -> None:
    def fail(first: int, last: int) -> None:
        if first > 0:
            raise RuntimeError("range failed")

    with pytest.raises(RuntimeError, match="range failed"):
        over_users(fail, 5000, 2)
