from __future__ import annotations

import pytest

from convert.weights.policy import CONSTRUCTORS, DANGEROUS, KNOWN, Verdict, judge


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("torch._utils", "_rebuild_tensor_v2", Verdict.KNOWN),
        ("collections", "OrderedDict", Verdict.KNOWN),
        ("torch", "HalfStorage", Verdict.KNOWN),
        ("torch", "bfloat16", Verdict.KNOWN),
        ("builtins", "set", Verdict.INERT),
        ("__builtin__", "dict", Verdict.INERT),
        ("pathlib", "PosixPath", Verdict.INERT),
        ("pytorch_lightning.callbacks", "ModelCheckpoint", Verdict.INERT),
        ("numpy.core.multiarray", "scalar", Verdict.INERT),
        ("builtins", "eval", Verdict.DANGEROUS),
        ("builtins", "getattr", Verdict.DANGEROUS),
        ("os", "system", Verdict.DANGEROUS),
        ("os.path", "join", Verdict.DANGEROUS),
        ("posix", "system", Verdict.DANGEROUS),
        ("nt", "system", Verdict.DANGEROUS),
        ("runpy", "run_path", Verdict.DANGEROUS),
        ("torch.hub", "load", Verdict.DANGEROUS),
        ("torch", "hub.load", Verdict.DANGEROUS),
        ("osmosis", "filter", Verdict.INERT),
    ],
)
def test_verdicts(module: str, name: str, verdict: Verdict) -> None:
    assert judge(module, name) is verdict


def test_nothing_known_is_dangerous() -> None:
    assert CONSTRUCTORS <= KNOWN
    assert not {f"{module}.{name}" for module, name in KNOWN} & DANGEROUS
