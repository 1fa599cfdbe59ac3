from __future__ import annotations

import pytest

from sdcoreml.ground.names import normalise


@pytest.mark.parametrize("name", ["scikit-learn", "Scikit_Learn", "scikit.learn", "scikit-_.learn"])
def test_a_project_has_one_name(name: str) -> None:
    assert normalise(name) == "scikit-learn"
