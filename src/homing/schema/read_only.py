"""Arrays that compiled code reads, all of one type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that nothing can be written through; no numbers are copied.

    Whether an array can be written to is part of its type for Numba, which compiles a function once for each
    combination of types. Columns come from mapped files as well as from memory, so without this the same
    function is compiled several times.
    """
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
