from __future__ import annotations

from dataclasses import replace

import pytest

from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import BUNDLE, HEALTHY, features, program
from tests.doctor.specimens import XL_UNET, bundle, sick


def test_the_summary_of_a_healthy_folder() -> None:
    assert said("BUN001", HEALTHY) == ["ok: 4 programs, split attention"]


def test_packages_are_one_step_before() -> None:
    packages = tuple(replace(one, container=".mlpackage") for one in BUNDLE.programs)
    facts = sick(bundle=replace(BUNDLE, programs=packages))
    assert said("BUN001", facts) == [
        "info: not compiled yet: TextEncoder, Unet, VAEDecoder, VAEEncoder",
        "ok: 4 programs, split attention",
    ]
    (_, command) = remedies("BUN001", facts)
    assert " compile /models/sd15-coreml/TextEncoder.mlpackage /models/sd15-coreml/Unet" in command


def test_an_xl_folder_needs_the_second_text_encoder() -> None:
    assert said("BUN001", bundle(XL_UNET)) == ["error: missing: TextEncoder2"]


def test_a_folder_with_nothing_in_it() -> None:
    assert said("BUN001", sick(bundle=replace(BUNDLE, programs=()))) == [
        "error: no Unet directly in the folder",
        "error: missing: TextEncoder, VAEDecoder",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("UnetChunk1",), ["error: UnetChunk1 and UnetChunk2 belong together; only one is there"]),
        (("UnetChunk1", "UnetChunk2"), ["warning: Unet and its chunks are both there"]),
        (("ControlledUnetChunk1", "ControlledUnetChunk2"), []),
    ],
)
def test_chunks(names: tuple[str, ...], expected: list[str]) -> None:
    assert said("BUN003", bundle(*(program(name) for name in names))) == expected


def test_a_controlnet_folder_is_in_the_way() -> None:
    assert said("BUN005", bundle(controlnet_folder=True)) == [
        "warning: a folder named controlnet lies in the model's folder"
    ]


def test_spelling() -> None:
    assert said("BUN015", bundle(program("ControlledUNet"), program("vaeencoder"))) == [
        "error: ControlledUNet must be spelt ControlledUnet",
        "error: vaeencoder must be spelt VAEEncoder",
    ]
    assert said("BUN015", bundle(program("MyControlNet"))) == []


def test_a_kind_of_attention_that_cannot_be_told_is_not_made_up() -> None:
    unet = program("Unet", attention="")
    assert said("BUN001", bundle(unet)) == ["ok: 4 programs"]


def test_the_first_of_the_unets_is_the_one_that_apps_look_at() -> None:
    chunks = tuple(program(f"UnetChunk{n}", attention="original") for n in (1, 2))
    facts = bundle(*chunks, without="Unet")
    assert said("BUN001", facts) == ["ok: 5 programs, original attention"]


def test_pointers_and_missing_files_are_two_findings() -> None:
    facts = bundle(program("Unet", pointers=("weights/weight.bin",), missing=("model.mil",)))
    assert said("BUN002", facts) == [
        "error: Unet: Git LFS pointers in place of weights/weight.bin",
        "error: Unet.mlmodelc lacks model.mil",
    ]


def test_every_damage_is_a_finding_in_the_reader_s_words() -> None:
    facts = bundle(damage=("Unet.mlmodelc: a", "VAEDecoder.mlmodelc: b"))
    assert said("BUN019", facts) == ["error: Unet.mlmodelc: a", "error: VAEDecoder.mlmodelc: b"]


def test_without_an_encoder_starting_images_do_not_work() -> None:
    assert said("BUN005", bundle(without="VAEEncoder")) == ["warning: there is no VAEEncoder"]
    assert said("BUN005", bundle(without="VAEEncoder", controlnet_folder=True)) == [
        "warning: there is no VAEEncoder",
        "warning: a folder named controlnet lies in the model's folder",
    ]


def test_a_folder_without_a_unet_is_not_asked_for_an_encoder() -> None:
    assert said("BUN005", sick(bundle=replace(BUNDLE, programs=()))) == []


def test_every_fault_of_the_vocabulary_is_a_finding() -> None:
    facts = bundle(vocabulary=("vocab.json is missing", "merges.txt is missing"))
    assert said("BUN008", facts) == [
        "error: vocab.json is missing",
        "error: merges.txt is missing",
    ]


@pytest.mark.parametrize(("digest", "expected"), [("unet", []), ("other", ["different"])])
def test_weights_of_the_two_unets(digest: str, expected: list[str]) -> None:
    facts = bundle(program("ControlledUnet", weights_digest=digest))
    assert said("BUN014", facts) == [
        f"warning: Unet and ControlledUnet have {word} weights" for word in expected
    ]


def test_the_right_spelling_keeps_the_container() -> None:
    facts = bundle(program("unetchunk1", container=".mlpackage"))
    assert remedies("BUN015", facts) == ["rename it to UnetChunk1.mlpackage"]


def test_a_folder_of_controlnets_needs_no_other_program() -> None:
    net = program("Canny", inputs=features({"controlnet_cond": (2, 3, 512, 512)}))
    facts = sick(bundle=replace(BUNDLE, programs=(net,)))
    assert said("BUN001", facts) == ["ok: 1 ControlNet"]


def test_a_stable_diffusion_3_folder_is_not_called_incomplete() -> None:
    transformer = program("MultiModalDiffusionTransformer", inputs=())
    facts = sick(bundle=replace(BUNDLE, programs=(transformer, program("TextEncoder"))))
    (line,) = said("BUN001", facts)
    assert line.startswith("info: this is a Stable Diffusion 3 folder")


@pytest.mark.parametrize("name", ["ControlledUnet", "ControlledUnetChunk1"])
def test_a_folder_with_a_controlled_unet_alone(name: str) -> None:
    (warned, _) = said("BUN001", bundle(program(name), without="Unet"))
    assert warned == f"warning: there is no Unet, only {name}"


COMFYUIS = features(
    {"sample": (1, 4, 64, 64), "timestep": (1,), "encoder_hidden_states": (1, 77, 768)}
)


def test_a_unet_for_comfyui_needs_no_other_program_and_no_tokenizer() -> None:
    unet = program("m_1x512x512_se_unet", inputs=COMFYUIS, container=".mlpackage")
    facts = sick(bundle=replace(BUNDLE, programs=(unet,)))
    (line,) = said("BUN001", facts)
    assert line == (
        "ok: m_1x512x512_se_unet: a UNet of Stable Diffusion 1.x for ComfyUI, 512x512, batch 1;"
        " the node Load Core ML UNet lists it from ComfyUI's models/unet"
    )


def test_a_compiled_unet_for_comfyui_is_listed_nowhere() -> None:
    facts = sick(bundle=replace(BUNDLE, programs=(program("unet", inputs=COMFYUIS),)))
    (line,) = said("BUN001", facts)
    assert line.startswith("error: unet: a UNet")
    assert line.endswith("; no node of ComfyUI lists it")
    assert remedies("BUN001", facts) == ["give ComfyUI the package that it was compiled from"]


def test_what_no_node_loads_is_no_fault_of_a_package() -> None:
    decoder = replace(
        program("m_vae_decoder_1x512x512", inputs=features({"latent": (1, 4, 64, 64)})),
        outputs=features({"image": (1, 3, 512, 512)}),
        container=".mlpackage",
    )
    facts = sick(bundle=replace(BUNDLE, programs=(decoder,)))
    (line,) = said("BUN001", facts)
    assert line == (
        "info: m_vae_decoder_1x512x512: a VAE decoder of coreml-diffusion, for its own"
        " build_pipeline; no node of ComfyUI lists it"
    )
