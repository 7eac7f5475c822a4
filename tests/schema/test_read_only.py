import numpy as np
import pytest

from homing.schema.read_only import read_only


def test_the_view_shows_the_array_and_cannot_change_it() -> None:
    array = np.arange(3)
    view = read_only(array)
    array[0] = 7
    assert view.tolist() == [7, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    assert read_only(view).tolist() == [7, 1, 2]
