"""Arrays that stay in their file until their numbers are asked for, by `np.asarray`."""

from __future__ import annotations

from typing import Any

import numpy as np


class Lazy:
    """An array of a file; a reader's own has `shape`, `dtype` and `read`."""

    def read(self) -> Any:
        """The numbers. Raises FileError."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        values = self.read()
        return values if dtype is None else values.astype(dtype)


def widened(halves: Any) -> Any:
    """bfloat16 numbers, given as their 16 bits, as the equal float32, of which they are the upper half."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
