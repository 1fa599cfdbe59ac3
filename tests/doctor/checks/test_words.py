"""The exact texts of the most important findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.engine import Selection, examine
from sdcoreml.doctor.report.layout import WIDTH, page
from tests.doctor.healthy import HEALTHY, MODEL, TOOLCHAIN
from tests.doctor.specimens import SICK

EXPECTED = {
    "MOD002": """\
warning  MOD002  unet: saved in shards, which diffusers 0.23.1 cannot load ("no
                 file named diffusion_pytorch_model.bin")
         why   It loads neither .bin nor .safetensors shards of these parts;
               merged into one safetensors file they load, bit-identical.
               Conversion here merges by itself.
         do    convert, which merges on the way; or write a merged copy of the
               folder
         run   sdcoreml convert /models/sd15
         run   python -m sdcoreml.convert --to_safetensors --checkpoint_path \
/models/sd15 --dump_path /models/sd15-merged
""",
    "PIN001": """\
error    PIN001  not the tested versions: numpy 2.1.0 (tested 1.23.5)
         why   Only the tested combination is known to convert; others fail late
               or silently.
         do    restore the environment to what was sealed and tested
         run   sdcoreml env repair
""",
    "PIN005": """\
error    PIN005  huggingface-hub 0.26.0 with diffusers 0.23.1:
                 hub-cached-download-removed
         why   huggingface_hub 0.26 removed cached_download, which diffusers
               before 0.29 imports.
         do    restore the environment to what was sealed and tested
         run   sdcoreml env repair
""",
    "GIT003": """\
error    GIT003  the upstream checkout is at e12202c1f640, tested is
                 c891f4357b22
         why   Other commits have other options and need other versions of the
               pins.
         do    check out the tested commit
         run   git -C /src/ml-stable-diffusion fetch origin \
c891f4357b2269853152d774d97327faab746e7c
         run   git -C /src/ml-stable-diffusion checkout --detach \
c891f4357b2269853152d774d97327faab746e7c
""",
    "XCO001": """\
info     XCO001  coremlcompiler cannot be run: unable to find utility
                 "coremlcompiler"
         why   Not needed here; the upstream converter stops without it, at its
               last step.
         do    install Xcode itself (not only its Command Line Tools) and open
               it once
""",
    "BUN004": """\
error    BUN004  VAEEncoder is for 512x768 images, the UNet for 512x512
         why   Parts of different runs were put together; the app stops at the
               mismatch.
         do    convert the model again into a fresh folder
""",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_words(name: str) -> None:
    report = examine(SICK[name], CHECKS, Selection(select=(name,)))
    text = "".join(f"{line}\n" for line in page(report))
    _, finding, *_ = text.split("\n\n")
    assert finding + "\n" == EXPECTED[name]


def test_shards_are_no_trouble_for_a_diffusers_that_loads_them() -> None:
    newer = replace(TOOLCHAIN, pins={**TOOLCHAIN.pins, "diffusers": "0.29.0"})
    facts = replace(SICK["MOD002"], toolchain=newer)
    (result,) = examine(facts, CHECKS, Selection(select=("MOD002",))).results
    assert not result.findings


def test_a_healthy_page_is_one_line_a_family() -> None:
    lines = [str(line) for line in page(examine(HEALTHY, CHECKS))]
    assert lines[:3] == [
        "ok       System       macOS 15.6, Apple M2, 8 cores",
        "ok       Python       3.12.4 here; 3.10.10 in the environment",
        "ok       Environment  9 packages, Python 3.10.10; 31000 files as sealed (sizes",
    ]
    assert len([line for line in lines if line.startswith("ok")]) == 12
    assert f"{MODEL.path.rpartition('/')[2]}: unet, vae, text_encoder; 3.0 GB" in "\n".join(lines)


@pytest.mark.parametrize("name", SICK)
def test_pages_fit_a_terminal_but_for_commands_which_must_be_copied_whole(name: str) -> None:
    for line in page(examine(SICK[name], CHECKS)):
        assert len(str(line)) <= WIDTH or line.text.startswith("run "), str(line)
