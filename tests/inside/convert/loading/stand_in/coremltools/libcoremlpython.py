"""Stands in for the binding to Core ML; with the fault `symbol`, it lacks one."""

from __future__ import annotations

import os

if os.environ.get("FAULT", "").startswith("symbol"):
    raise ImportError("dlopen(libcoremlpython.so): Symbol not found: _OBJC_CLASS_$_MLModelAsset")
