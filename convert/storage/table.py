"""Arrays as JSON values, to be sent to another process."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An array as JSON values: its numpy type, its shape, and its bytes in base64."""

    dtype: str
    shape: tuple[int, ...]
    data: str

    @classmethod
    def of(cls, array: np.ndarray) -> Table:
        """Describe an array."""
        import numpy as np

        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
        return cls(dtype=array.dtype.str, shape=array.shape, data=data)

    def as_array(self) -> np.ndarray:
        """Return the array that this describes."""
        import numpy as np

        flat = np.frombuffer(base64.b64decode(self.data), self.dtype)
        return flat.reshape(self.shape)
