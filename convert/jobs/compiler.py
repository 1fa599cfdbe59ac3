"""Checks whether a job's programs can be compiled here, by our own compiler or by Xcode's."""

from __future__ import annotations

from sdcoreml.convert.compile.names import TEXT_VERSIONS
from sdcoreml.convert.compile.xcode import find_xcode
from sdcoreml.convert.programs.options import Target
from sdcoreml.ground.errors import UnsupportedError


def require_compiler(target: Target) -> None:
    """Raise `UnsupportedError` if only Xcode can compile for `target`, and it is not installed."""
    if not is_known(target) and find_xcode() is None:
        raise UnsupportedError(
            f"target {target.value}: only Xcode can compile for it, and it is not installed",
            remedy=f"choose {Target.MACOS15.value}, which newer systems run just as well",
        )


def is_known(target: Target) -> bool:
    """Whether our own compiler supports `target`, so that Xcode is not needed."""
    return target.specification in TEXT_VERSIONS
