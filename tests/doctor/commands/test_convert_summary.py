from __future__ import annotations

from pathlib import Path

from sdcoreml.doctor.commands.convert_summary import (
    advice,
    remark,
    summary,
    verdicts,
)


def test_the_summary_names_the_worst_figure_of_each_mode() -> None:
    checked = {
        "outputs": [
            {"output": "a", "mode": "fp32", "psnr": 144.0},
            {"output": "b", "mode": "fp32", "psnr": 131.26},
            {"output": "a", "mode": "fp16", "psnr": 70.0},
        ],
        "audit": {"matched": 52},
    }
    toolchain = {"name": "tested", "python": "3.10.13", "tested_python": "3.10.10", "drift": True}
    manifest = {"programs": {"TextEncoder": {"checked": checked}}, "toolchain": toolchain}
    assert summary(Path("models/cat"), manifest).splitlines() == [
        "models/cat: 1 program, each checked against its module",
        "  TextEncoder  131.3 dB in fp32, 70.0 dB in fp16; 52 weights equal",
        "  toolchain    tested, Python 3.10.13 (drift: tested with 3.10.10)",
    ]
    unchecked = {"outputs": [], "audit": {"matched": 52}, "unchecked": "light has no torch"}
    partly = {**manifest, "programs": {"TextEncoder": {"checked": unchecked}}}
    assert summary(Path("models/cat"), partly).splitlines()[:2] == [
        "models/cat: 1 program, weights audited, numbers not checked",
        "  TextEncoder  light has no torch; 52 weights equal",
    ]
    exact = {**manifest, "toolchain": {**toolchain, "drift": False}}
    assert "drift" not in summary(Path("models/cat"), exact)


def test_results_that_do_not_differ_are_exact() -> None:
    outputs = [{"output": "a", "mode": "fp32", "psnr": 999.0}]
    program = {"checked": {"outputs": outputs, "audit": {"matched": 44}}}
    toolchain = {"name": "tested", "python": "3.10.10", "drift": False}
    text = summary(Path("cat"), {"programs": {"SafetyChecker": program}, "toolchain": toolchain})
    assert "  SafetyChecker exact in fp32; 44 weights equal" in text


def test_a_remark_says_whose_word_stands_for_the_figures() -> None:
    checked = {"audit": {"matched": 52}}
    assert remark(checked) == "52 weights equal"
    certificate = {"certificate": {"toolchain": "tested", "date": "2026-11-24"}}
    assert remark({**checked, **certificate}) == (
        "52 weights equal, graph certified in tested on 2026-11-24"
    )
    rounded = {"matched": 2, "compressed": {"6-bit palette": {"weights": 9, "psnr": 41.26}}}
    assert remark({"audit": rounded, **certificate}) == (
        "every compressed weight within 41.3 dB of the model's,"
        " graph certified in tested on 2026-11-24"
    )
    fidelity = {"fidelity": [{"psnr": 47.0}, {"psnr": 45.12}]}
    assert remark({**checked, **fidelity}) == "compressed weights leave 45.1 dB"
    assert remark({**checked, "own": 112.04}) == (
        "52 weights equal, its module is 112.0 dB from exact itself"
    )


def test_each_verdict_is_said_once_and_differences_are_named() -> None:
    equal = {"compiled": {"verdict": "equal to what Xcode makes", "differences": []}}
    other = {"compiled": {"verdict": "differs", "differences": ["model.mil: 3 ops"]}}
    manifests = {
        Path("a"): {"programs": {"Unet": equal, "VAEDecoder": equal}},
        Path("b"): {"programs": {"Unet": other}},
    }
    assert verdicts(manifests) == (
        "equal to what Xcode makes",
        "differs",
        "Unet: model.mil: 3 ops",
    )


def test_what_to_know_before_an_app_opens_it() -> None:
    plain = {"programs": {"Unet": {"component": "unet"}}, "options": {"batch": 2}}
    assert advice(Path("cat"), plain) == ()
    single = {**plain, "options": {"batch": 1, "states_own_size": True}}
    assert [line[:28] for line in advice(Path("cat"), single)] == [
        "  note: a UNet of batch 1 ma",
        "  note: the UNet is told its",
    ]
    (line,) = advice(Path("net"), {"programs": {"Canny": {"component": "controlnet"}}})
    assert "put net/Canny.mlmodelc into ~/MochiDiffusion/controlnet" in line


def test_long_names_and_halves_stay_in_line() -> None:
    entry = {"checked": {"outputs": [], "audit": {"matched": 3}, "unchecked": "no torch"}}
    programs = {"ControlledUnet": {**entry, "halves": True}, "Unet": entry}
    toolchain = {"name": "light", "python": "3.10.10", "drift": False}
    manifest = {"programs": programs, "toolchain": toolchain}
    assert summary(Path("cat"), manifest).splitlines()[1:] == [
        "  ControlledUnet no torch; 3 weights equal, two halves",
        "  Unet           no torch; 3 weights equal",
        "  toolchain      light, Python 3.10.10",
    ]
