"""Lines of other programs, or of other failures, are not told as what their wording resembles."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

SHAPES = (
    "RuntimeError: Error(s) in loading state_dict for {net}:\n\tsize mismatch for {name}.weight:"
    " copying a param with shape torch.Size([{file}]) from checkpoint, the shape in current model"
    " is torch.Size([{model}])."
)
TO_K = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
REFINER = "found sd_xl_refiner_1.0.safetensors\nLoading Model: flux1-dev.safetensors\n"
GENCODE = (
    "google.protobuf.runtime_version.VersionError: Detected {how} Protobuf Gencode/Runtime"
    " {kind}versions when loading a.proto: gencode {want} runtime {have}. "
)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        (
            SHAPES.format(net="MyNet", name="proj_in", file="320, 320", model="320, 320, 1, 1"),
            "ckpt-merge-missing-keys-sd2-v1",
        ),
        ("RuntimeError: Triton Error [CUDA]: out of memory", "family-no-memory"),
        ("RuntimeError: HIP error: out of memory", "family-no-memory"),
        ("ValueError: float64 not supported on this type of Mac", "family-mac-of-another-kind"),
        ("RuntimeError: MPS is not supported on this Mac", "family-mac-of-another-kind"),
        ("persistent key 'foo' not found in redis cache", "family-encrypted-model"),
        ("tar: Error reading from archive: Input/output error", "family-not-a-compiled-model"),
        (
            "java.io.IOException: Input stream is not valid gzip",
            "family-not-a-compiled-model",
        ),
        (
            'Error Domain=com.apple.CoreML Code=4 "Error in declaring network."',
            "family-custom-layer",
        ),
        (
            (
                "Fatal error: 'try!' expression unexpectedly raised an error: Error"
                ' Domain=com.apple.CoreML Code=3 "Unable to load model"'
            ),
            "family-swift-nil",
        ),
        (
            "checksum mismatch for ink: does not match previously recorded checksum",
            "family-package-changed",
        ),
        ("gpg failed: User interaction is not allowed", "family-sign-keychain"),
        ("Paint.swift:4:2: error: cannot find 'isolated' in scope", "family-swift-syntax-newer"),
        (
            "error: 'mps.matmul' op contracting dimensions differ 1280 & 77",
            "family-mps-mixed-families",
        ),
        ("ValueError: buffer is not large enough", "family-mps-buffer-short"),
        ("ValueError: invalid tensor shapes: (1, 4) vs (2, 3)", "family-mps-shapes"),
        ("PortAudioError: Error querying device 7: Invalid device id", "family-cuda-number"),
        ("IndexError: device index 3 out of range", "family-cuda-number"),
        ("VK_ERROR: the launch timed out and was terminated", "family-cuda-timed-out"),
        ("TimeoutException: wait timeout after 3000 ms", "family-nccl-timeout"),
        (
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x1024 and 1280x10)",
            "family-mixed-families",
        ),
        ("ConfigAttributeError: Missing key optimizer", "family-wrong-yaml"),
        ("disk image checksum verified", "family-disk-image"),
    ],
)
def test_a_stranger_is_not_told_as(log: str, stranger: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is None or cause.entry.id != stranger


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            SHAPES.format(
                net="UNet3DConditionModel", name=TO_K, file="320, 768", model="320, 1024"
            ),
            "not of the video model that UNet3DConditionModel was made as",
        ),
        (
            SHAPES.format(
                net="AutoencoderKL",
                name="decoder.conv_in",
                file="512, 16, 3, 3",
                model="512, 4, 3, 3",
            ),
            "were loaded as a VAE with 4 channels",
        ),
        (
            SHAPES.format(
                net="AutoencoderKL",
                name="decoder.conv_in",
                file="512, 4, 3, 3",
                model="512, 16, 3, 3",
            ),
            "are those of a VAE with 4 channels",
        ),
        (f"{REFINER}AssertionError: You do not have CLIP state dict!", "holds no CLIP"),
        ("StableDiffusion/Unet.swift:8: Fatal error: Unexpectedly found nil", "lacks an input"),
        ("Board.swift:8: Fatal error: Index out of range", "mostly a fault of the app"),
        (
            GENCODE.format(how="incompatible", kind="", want="6.31.1", have="5.29.5"),
            "5.29.5 is too old",
        ),
        (
            GENCODE.format(how="mismatched", kind="major ", want="5.27.2", have="6.30.0"),
            "6.30.0 is too new",
        ),
        (
            (
                "error: the library 'A' requires ios 15.0, but depends on the product 'B' which"
                " requires ios 16.2"
            ),
            "(ios 15.0)",
        ),
    ],
)
def test_the_case_that_the_log_has_is_told(log: str, told: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert told in cause.cause
