"""Stands in for `coremltools.models`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.storage.package import open_program


def _fault(path: str) -> str:
    """Return what goes wrong with this compiled model, "" if nothing does."""
    fault, _, name = os.environ.get("FAULT", "").partition(":")
    return fault if Path(path).stem == name else ""


class MLModel:
    """A package, which is compiled as it is loaded; only by name can it be given its units."""

    def __init__(self, model: str, *, compute_units: object) -> None:
        if not model.endswith(".mlpackage"):
            raise RuntimeError("not a package")
        self._path = model
        self._model = CompiledMLModel(model, compute_units)

    def predict(self, data: dict[str, np.ndarray]) -> dict[str, Any]:
        """Compute the outputs."""
        return self._model.predict(data)

    def get_compiled_model_path(self) -> str:
        """Return where the compiled model would be."""
        return self._path


class CompiledMLModel:
    """A compiled model that the interpreter runs."""

    def __init__(self, path: str, compute_units: object) -> None:
        self._path, self._units = path, compute_units
        self._fault = _fault(path)
        match self._fault:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "abort":
                os.abort()
            case "hang":
                time.sleep(3600)
            case "memory":
                raise MemoryError
            case "greed":
                self._taken = np.ones(1 << 26)  # half a gigabyte
                time.sleep(3600)
            case "specification":
                raise RuntimeError(
                    "Unable to load model: its specification version 99\n"
                    "is newer than 9, the newest that this system knows"
                )

    def predict(self, data: dict[str, np.ndarray]) -> dict[str, Any]:
        """Compute the outputs, or what the fault makes of them."""
        if self._fault == "plan":
            raise RuntimeError("Error computing NN outputs: error code: -1")
        feeds = {name: torch.from_numpy(one.copy()) for name, one in data.items()}
        with open_program(Path(self._path)) as program:
            outputs = Executable.of(program).run(feeds)
        found = {name: one.float().numpy() for name, one in outputs.items()}
        last = max(found)
        match self._fault:
            case "wrong":
                found[last] = found[last][..., ::-1].copy()
            case "nan":
                found[last] = np.full_like(found[last], np.nan)
            case "shape":
                found[last] = found[last][..., 1:]
            case "name":
                found["other"] = found.pop(last)
        return found
