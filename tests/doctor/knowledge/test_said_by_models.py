"""What loading, merging, uploading and building for a model say is told, and what is not it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

NO_RELEASE = (
    "error: Dependencies could not be resolved because no versions of 'frob' match the "
    "requirement {need} and root depends on 'frob' {need}."
)
REVISION = (
    "FutureWarning: You are loading the variant fp16 from me/frob via `revision='fp16'`. This "
    "behavior is deprecated and will be removed in diffusers v1. One should use `variant='fp16'` "
    "instead. However, it appears that me/frob currently does not have the required variant "
    "filenames in the 'main' branch."
)
GO_ON = (
    " The Diffusers team and community would be very grateful if you could open an issue: "
    "https://github.com/huggingface/diffusers/issues/new with the title 'me/frob is missing fp16 "
    "files' so that the correct variant file can be added."
)
FLAT = "RuntimeError: Error(s) in loading state_dict for Frob:\n\tMissing key(s) in state_dict: "
OWN = """\
Traceback (most recent call last):
  File "/x/site-packages/diffusers/unet.py", line 501, in __init__
    down_block = get_down_block(
TypeError: get_down_block() got an unexpected keyword argument 'transformer_layers_per_block'
"""
LOCAL = "Loading pipeline components...: 100%|####| 7/7 [00:00<00:00, 13.51it/s]\n"


@pytest.mark.parametrize(
    ("log", "expected", "words"),
    [
        (NO_RELEASE.format(need="1.2.0..<2.0.0"), "family-swift-packages", "no other package"),
        (
            (
                "error: Dependencies could not be resolved because root depends on 'frob' 1.0.0..<2"
                " and 'ink' >= 3.0.0 depends on 'frob' 2.0.0..<3.0.0."
            ),
            "family-swift-packages",
            "exclude each other",
        ),
        (
            (
                "error: exhausted attempts to resolve the dependencies graph, with the following "
                "dependencies unresolved:\n* 'frob' from https://github.com/me/frob/"
            ),
            "family-package-unresolved",
            "ends with a slash",
        ),
        (
            FLAT + '"text_encoder.embeddings.token_embedding.weight".',
            "transformers56-",
            "flattened",
        ),
        (LOCAL + "socket.gaierror: [Errno 11001] getaddrinfo failed", "host-not", "load_lora"),
        (
            (
                "ValueError: Key a.attn1.processor is invalid, expected torch.Tensor but received "
                "<class 'dict'>"
            ),
            "family-nested-state-dict",
            "Custom Diffusion",
        ),
        ("ValueError: Provided path: 'out' is not a directory", "family-upload-no-folder", "out"),
        (
            (
                'File "/x/site-packages/frobkit/add.py", line 5, in add\n    save(ink)\n'
                "UnboundLocalError: local variable 'ink' referenced before assignment"
            ),
            "family-unset-variable",
            "uses ink before",
        ),
        (
            "RuntimeError: PyTorch convert function for op 'unsqueeze_' not implemented.",
            "op-not-implemented-generic",
            "5.1 and newer",
        ),
        (
            (
                "requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: "
                "https://huggingface.co/api/models/me/frob/preupload/main"
            ),
            "family-access-denied",
            "let it write (me/frob)",
        ),
        (
            "Undefined symbol: _OBJC_CLASS_$_FrobInk\nLinker command failed with exit code 1",
            "family-link-undefined",
            "class FrobInk",
        ),
        (
            (
                "    if #available(macOS 15.0, *) {\n      let ink: FrobInk = .default\n"
                "               ^ cannot find type 'FrobInk' in scope"
            ),
            "family-swift-newer-than-sdk",
            "before macOS 15.0",
        ),
        (
            (
                "Failed to build module 'FrobKit'; this SDK is not supported by the compiler (the "
                "SDK is built with 'Apple Swift version 5.7.2 (swift-5.7.2)', while this compiler"
                " is 'Apple Swift version 5.8 (swiftlang-5.8.0.124.1)')."
            ),
            "family-swift-and-sdk",
            "framework FrobKit was built with Swift 5.7.2",
        ),
        (
            (
                "Frob.swift:85:13 'FrobInk' is unavailable in macOS: Use @Ink instead.\n"
                "Frob.swift:35:17 'FrobInk' was obsoleted in macOS 14"
            ),
            "family-swift-obsoleted",
            "for macOS 14 or newer",
        ),
        (
            (
                "error: Dependencies could not be resolved because package 'frob' is required using"
                " a stable-version but 'frob' depends on an unstable-version package 'ink'."
            ),
            "family-swift-packages",
            "frob takes ink from a branch",
        ),
        (
            (
                "remote: Your push was rejected because it contains files larger than 10M.\n"
                "remote:  - frob.v2 (ref: refs/heads/main)"
            ),
            "git-file-too-large",
            "frob.v2 is larger",
        ),
        (OWN, "family-unexpected-argument", "diffusers contradicts itself"),
        (OWN.replace("diffusers", "frob"), "family-unexpected-argument", "is too old"),
    ],
)
def test_what_they_say_is_told(log: str, expected: str, words: str) -> None:
    found = examine(log, entries()).cause
    assert found is not None
    assert found.entry.id.startswith(expected)
    assert words in found.cause


@pytest.mark.parametrize(
    "log",
    [
        REVISION,
        f"{REVISION}\n{GO_ON}\n  warnings.warn(",
        'Missing key(s) in state_dict: "text_encoder.text_model.embeddings.position_ids".',
        "    if #available(macOS 15.0, *) {\n      ink()\n    }\nBuild succeeded",
        "error: 'Float16' is a keyword",
    ],
)
def test_what_only_resembles_it_is_not(log: str) -> None:
    found = examine(log, entries()).cause
    strange = ("family-no-such-", "family-file-missing", "transformers56-", "family-swift-")
    assert found is None or not found.entry.id.startswith(strange)
