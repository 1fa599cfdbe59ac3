"""What samples written from memory lacked is told of others of its kind."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

ILLEGAL = "rocBLAS error: Cannot read /x/TensileLibrary.dat: Illegal seek for GPU arch : gfx1103\n"
DICTIONARY = """
    return templates.TemplateResponse("index.html", {"request": request})
  File "/x/site-packages/jinja2/utils.py", line 477, in __getitem__
    rv = self._mapping[key]
TypeError: unhashable type: 'dict'
"""
PROVIDED = """
KeyError: 'Provided key "image", in the input dict, does not match any of the model input name(s), which are: {\\'x_1\\', \\'t\\'}'
"""  # noqa: E501 - coremltools writes it in one line
CHUNKS = """
  File "/x/python_coreml_stable_diffusion/chunk_mlprogram.py", line 300, in main
    raise FileNotFoundError(f"Could not find {args.mlpackage_path}")
FileNotFoundError: Could not find out/Stable_Diffusion_version_paint_unet.mlpackage
"""
WEIGHTLESS = """
coremlc: error: Unable to parse ML Program: in operation vae_weight_to_fp16: Could not open /m/Vae.mlpackage/Data/com.apple.CoreML/weights/weight.bin
"""  # noqa: E501 - Core ML writes it in one line
PACKAGE = """
Unable to load model: file:///x/Vae.mlpackage/. Compile the model with Xcode or `MLModel.compileModel(at:)`.
"""  # noqa: E501 - Core ML writes it in one line
GUARD = """
RuntimeError:
        An attempt has been made to start a new process before the
        current process has finished its bootstrapping phase.
"""
SIGNED = "/b/Paint.app: {}\nCommand CodeSign failed with a nonzero exit code\n"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (ILLEGAL, "family-rocblas-library", "gfx1103"),
        (DICTIONARY, "family-template-order", "starlette"),
        (PROVIDED, "family-input-name", "named image"),
        (CHUNKS, "family-chunk-without-unet", "--convert-unet"),
        (WEIGHTLESS, "family-operation-refused", "lacks its weights"),
        (GUARD, "family-main-guard", "__main__"),
        (SIGNED.format("errSecInternalComponent"), "family-signing", "unlock-keychain"),
        (
            SIGNED.format("resource fork, Finder information, or similar detritus not allowed"),
            "family-signing",
            "xattr -cr",
        ),
        (
            '"message": "The signature does not include a secure timestamp."',
            "notarization-refused",
            "",
        ),
        ("Could not locate zlibwapi.dll.", "family-zlibwapi", "cuDNN 8"),
        ("NVML: Driver/library version mismatch", "family-driver-library-mismatch", "Restart"),
        (
            "ModuleNotFoundError: No module named 'comfy_api.util'",
            "family-node-needs-newer-comfy",
            "",
        ),
        (PACKAGE, "family-mlmodelc-not-loaded", "not compiled"),
        (
            "TypeError: only length-1 arrays can be converted to Python scalars",
            "numpy24",
            "of several",
        ),
        ("Unable to parse ML Program: at x: Unknown opset 'CoreML7'.", "unknown-opset", "macOS 14"),
    ],
)
def test_what_others_of_the_kind_are_told(log: str, name: str, said: str) -> None:
    cause = examine(f"{log}\n", entries()).cause
    assert cause is not None
    assert cause.entry.id.startswith(name)
    assert said in f"{cause.cause} {cause.fix}"
