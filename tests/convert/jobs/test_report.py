"""The page of a finished folder: what it says, and that nothing a model says can run on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.manifest import Manifest, parse_manifest, read_manifest
from sdcoreml.convert.jobs.report import page
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.ground.codec import DecodeError
from tests.convert.jobs.test_manifest import CHECKED, CONTENT, FIGURE, SHA, of_program
from tests.convert.jobs.test_steps import SIZE, convert
from tests.convert.stand_ins import StandIn, write_model
from tests.golden import assert_golden, outline_of
from tests.pages import HOSTILE, read_page, text_of

LAYERS = {f"down_blocks_{block}_conv_{layer}_weight": 4 for block in (0, 10) for layer in range(3)}
UNET = {
    **CONTENT["programs"]["VAEDecoder"],
    "component": "unet",
    "source": "unet",
    "files": {"Unet.mlmodelc/model.mil": {"size": 1_000_000, "sha256": SHA}},
    "recipe": {"bits": 16, "layers": {**LAYERS, "conv_in_weight": 8}},
    "made_by": {"repository": "https://example.org/x", "commit": "c0ffee" * 6},
}
CERTIFIED = {"toolchain": "tested", "lock": "5f", "date": "2026-11-25", "outputs": [FIGURE]}
WHOLE: dict[str, Any] = {
    **CONTENT,
    "odd_tokenizer": ["merges are odd"],
    "model": {
        **CONTENT["model"],
        "made_from": {"files": {"a.safetensors": {"size": 1, "sha256": SHA}}, "kept": "trained"},
        "notes": ["noise is assumed"],
        "settings": {"kind": "turbo", "by": "its name", "steps": "4", "guidance": "1"},
        "fetched": {
            "name": "hf:acme/cat",
            "revision": "0123",
            "licence": "openrail",
            "address": "https://huggingface.co/acme/cat",
        },
    },
    "programs": {
        "Unet": UNET,
        "VAEDecoder": {
            **CONTENT["programs"]["VAEDecoder"],
            "checked": {**CHECKED, "certificate": CERTIFIED, "fidelity": [FIGURE]},
            "compiled": {"verdict": "compiled without Xcode", "differences": ["one differs"]},
        },
        "VAEEncoder": {
            **CONTENT["programs"]["VAEDecoder"],
            "files": {},
            "checked": {**CHECKED, "outputs": [], "unchecked": "no torch"},
        },
    },
}


def render(content: dict[str, Any]) -> str:
    return text_of(page(parse_manifest(content)).encode())


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each text and each name in JSON."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from places(value, (*path, name))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from places(value, (*path, number))
    yield path


def replaced(content: Any, path: tuple[Any, ...], text: str) -> Any:
    """Return JSON with one text, or else one name, replaced."""
    changed = json.loads(json.dumps(content))  # nothing in it twice
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if isinstance(inner[path[-1]], str):
        inner[path[-1]] = text
    elif isinstance(inner, dict):
        inner[text] = inner.pop(path[-1])
    return changed


def hostile() -> tuple[dict[str, Any], int]:
    """Return a manifest with hostile text wherever it may have any, and in how many places."""
    content, count = WHOLE, 0
    for path in sorted(places(WHOLE), key=len, reverse=True)[:-1]:
        changed = replaced(content, path, f"{count}{HOSTILE}")
        try:
            parse_manifest(changed)
        except DecodeError:
            continue
        content, count = changed, count + 1
    return content, count


def test_a_hostile_name_in_any_field_stays_text() -> None:
    content, count = hostile()
    assert count > 70
    said = text_of(page(parse_manifest(content)).encode())
    shown = {number for number in range(count) if f"{number}\"'></title></style><script>" in said}
    assert len(shown) > 30
    assert said.count("alert(1)") > 60


def test_an_address_that_runs_something_is_no_link() -> None:
    path = ("model", "fetched", "address")
    seen = read_page(page(parse_manifest(replaced(WHOLE, path, "javascript:alert(1)"))).encode())
    assert "javascript:alert(1)" in seen.texts
    plain = read_page(page(parse_manifest(WHOLE)).encode())
    assert "https://huggingface.co/acme/cat" in plain.addresses


def test_the_verdicts_come_first_in_plain_words() -> None:
    said = render(WHOLE)
    assert said.index("Verdict") < said.index("proved Every weight is accounted for")
    for sentence in (
        (
            "proved Every weight is accounted for: 414 are the model's own, and 27 are the"
            " model's in fewer bits."
        ),
        (
            "proved Unet was run beside the model's own modules, and computed the same: 131.3 dB in"
            " fp32 at worst."
        ),
        (
            "proved VAEDecoder is the graph that was proved to compute what its module computes, in"
            " tested on 2026-11-25; here only the weights are this model's."
        ),
        "open VAEEncoder was not run: no torch.",
        "note Compressed weights cost accuracy: the output of VAEDecoder keeps 131.3 dB of the",
        "open VAEDecoder: one differs",
        "note Unet was written by https://example.org/x at c0ffeec0ffee.",
        "note Made with Python 3.10.13; the toolchain was tested with 3.10.10.",
        "note The model's own tokenizer is odd: merges are odd.",
        "note Noise is assumed.",
        "in the app set DPM-Solver++, 4 steps, guidance 1.",
        "open This is a part of a model: no app runs it without the rest.",
    ):
        assert sentence in said


def test_what_failed_is_a_fault() -> None:
    audit = {**CHECKED["audit"], "missing": ["a.weight"]}
    said = render(of_program(checked={**CHECKED, "passed": False, "audit": audit}))
    assert "fault Weights of VAEDecoder are missing, or not where they belong." in said
    assert "fault VAEDecoder did not pass: do not use this folder." in said
    assert "proved" not in said


def test_the_figures_stand_beside_their_floors() -> None:
    low = {**FIGURE, "psnr": 100.0}
    said = render(of_program(checked={**CHECKED, "outputs": [low]}))
    assert "VAEDecoder image fp32 100.0 dB, too low 115 dB" in said


def test_bits_are_shown_block_by_block_and_counted() -> None:
    found = page(parse_manifest(WHOLE)).encode()
    said = text_of(found)
    assert "4 bits: 6 layers" in said
    assert "8 bits: 1 layer" in said
    order = [said.index(block) for block in ("down_blocks_0 3", "down_blocks_10 3", "others 1")]
    assert order == sorted(order)
    assert "conv_in_weight 8" in said
    assert "Bits by layer" not in render(CONTENT)


def test_the_apps_are_told_apart() -> None:
    said = render(WHOLE)
    assert "Set the compute unit to Auto or CPU & GPU." in said
    assert "let pipeline = try StableDiffusionPipeline(" in said
    second = {**WHOLE["programs"]["VAEEncoder"], "component": "text_encoder_2"}
    large = render({**CONTENT, "programs": {"TextEncoder2": second}})
    assert "--compute-units cpuAndGPU --xl" in large
    net = {**WHOLE["programs"]["VAEEncoder"], "component": "controlnet"}
    assert "Put Canny.mlmodelc into ~/MochiDiffusion/controlnet" in render(
        {**CONTENT, "programs": {"Canny": net}}
    )
    odd = render({**CONTENT, "programs": {"x; rm -rf ~ #": net}})
    assert "--controlnet 'x; rm -rf ~ #' --controlnet-inputs" in odd


def test_a_folder_without_programs_has_a_page() -> None:
    assert "The folder has no programs." in render({**CONTENT, "programs": {}})


def test_weights_that_are_not_compressed_need_no_table() -> None:
    audit = {**CHECKED["audit"], "compressed": {}}
    said = render(of_program(checked={**CHECKED, "audit": audit}))
    assert "All 138 are stored as in the model; none has fewer bits." in said
    assert "Typical error" not in said
    assert "VAEDecoder 6-bit palette 9 0.7 % 0.86 % a.weight" in render(CONTENT)


def test_sources_have_their_hashes() -> None:
    assert f"vae/config.json 553 bytes {SHA}" in render(CONTENT)


def huge() -> Manifest:
    name = HOSTILE * 100
    files = {f"vae/{number}{name}": {"size": 1, "sha256": SHA} for number in range(3_000)}
    return parse_manifest({**CONTENT, "inputs": files})


def test_a_manifest_of_a_million_letters_still_has_a_page_below_two_megabytes() -> None:
    assert " more" in text_of(page(huge()).encode())


def test_a_conversion_writes_the_page_of_its_manifest_and_always_the_same(tmp_path: Path) -> None:
    model = write_model(tmp_path / "cat")
    first, second = (
        convert(model, tmp_path / name, StandIn(size=SIZE, requests=[])) for name in ("a", "b")
    )
    made = (first / "report.html").read_bytes()
    assert made == (second / "report.html").read_bytes()
    manifest = read_manifest(first)
    assert page(manifest).encode() == made
    assert json.loads((first / "manifest.json").read_text())["report"].keys() == {"report.html"}
    assert verify(first, StandIn(size=SIZE, requests=[])).passed
    again = convert(model, first, StandIn(size=SIZE, requests=[]))
    assert (again / "report.html").read_bytes() == made


FAULTY = {
    **CHECKED,
    "passed": False,
    "audit": {
        **CHECKED["audit"],
        "missing": ["a.weight"],
        "compressed": {
            "6-bit palette": {"weights": 9, "psnr": 160.0, "typical": 0, "worst": ""},
            "sparse": {"weights": 3, "psnr": 20.0, "typical": 30.0, "worst": "b.weight"},
        },
    },
}
BARE = {
    **CHECKED,
    "audit": {**CHECKED["audit"], "matched": 0, "compressed": {}},
    "unchecked": "no torch",
}
UNREAD_TEXT = {**FIGURE, "output": "hidden_embeds", "mode": "fp16"}
POOLED = {**FIGURE, "output": "pooled_outputs", "mode": "fp16", "psnr": 64.0, "floor": 65.0}


def of_text(**changes: Any) -> dict[str, Any]:
    return {**WHOLE["programs"]["VAEEncoder"], "component": "text_encoder", **changes}


LARGE = {
    **CONTENT,
    "model": {**CONTENT["model"], "family": "Stable Diffusion XL base", "notes": []},
    "options": {**CONTENT["options"], "attention": "SPLIT_EINSUM", "batch": 1},
    "toolchain": {**CONTENT["toolchain"], "drift": False, "lock": "", "seal": ""},
    "answers": {"answers.json": {"size": 9, "sha256": SHA}},
    "programs": {
        "TextEncoder": of_text(checked={**CHECKED, "outputs": [UNREAD_TEXT], "runs": 1}),
        "TextEncoder2": of_text(
            component="text_encoder_2",
            kept=True,
            checked={**CHECKED, "outputs": [POOLED, FIGURE], "certificate": CERTIFIED},
        ),
        "Unet": {**UNET, "checked": FAULTY, "recipe": None, "made_by": None},
        "VAEDecoder": {**WHOLE["programs"]["VAEDecoder"], "kept": True},
        "VAEEncoder": of_text(checked={**CHECKED, "outputs": []}),
        "VAEEncoder2": of_text(checked={**CHECKED, "component": "vae_encoder"}, kept=True),
    },
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("folder", WHOLE),
        ("folder-large", LARGE),
        ("folder-plain", CONTENT),
        (
            "folder-controlnet",
            {**CONTENT, "programs": {"Canny": of_text(component="controlnet", checked=BARE)}},
        ),
    ],
)
def test_the_whole_page_is_as_it_is_kept(name: str, content: dict[str, Any]) -> None:
    assert_golden(name, outline_of(page(parse_manifest(content)).encode()))
