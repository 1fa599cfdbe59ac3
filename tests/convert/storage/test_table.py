"""An array is the same in another process."""

from __future__ import annotations

import numpy as np

from sdcoreml.convert.storage.table import Table


def test_an_array_is_its_type_its_shape_and_its_bytes() -> None:
    turned = np.arange(6, dtype="<f2").reshape(2, 3).T
    table = Table.of(turned)
    assert table == Table(dtype="<f2", shape=(3, 2), data="AAAAQgA8AEQAQABF")
    assert np.array_equal(table.as_array(), turned)
    assert table.as_array().dtype == np.dtype("<f2")
