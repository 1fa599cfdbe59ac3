from __future__ import annotations

from dataclasses import replace

import pytest

from tests.doctor.checks.findings import fixes, remedies, said
from tests.doctor.healthy import HEALTHY, MODEL, part, weights
from tests.doctor.specimens import model, sick, unet


def test_pointers_are_one_finding_with_the_commands() -> None:
    pointer = {"kind": "lfs-pointer", "size": 134}
    facts = model(
        part("unet", weights=(weights("unet/a.safetensors", **pointer),)),
        part("vae", weights=(weights("vae/b.safetensors", **pointer),)),
    )
    assert said("MOD005", facts) == [
        "error: Git LFS pointers, not weights: unet/a.safetensors, vae/b.safetensors"
    ]
    assert remedies("MOD005", facts)[1:] == [
        "git -C /models/sd15 lfs install --local",
        "git -C /models/sd15 lfs pull",
    ]


def test_pointers_are_fetched_unless_git_would_obey_the_repository() -> None:
    lone = part("unet", weights=(weights("unet/a.safetensors", kind="lfs-pointer", size=134),))
    (plain,) = fixes("MOD005", model(lone))
    assert plain.safe
    (hostile,) = fixes("MOD005", model(lone, active=("[alias] lfs = !touch PWN",)))
    assert not hostile.safe
    assert hostile.title == (
        "fetch what they point to; git would follow this repository's settings:"
        " [alias] lfs = !touch PWN"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "web-page", "size": 9000}, "is a web page, not weights (9000 bytes)"),
        ({"kind": "empty", "size": 0}, "is empty"),
        ({"kind": "other", "size": 5}, "is no weight file"),
        ({"kind": "unreadable", "fault": "Permission denied"}, "is Permission denied"),
    ],
)
def test_what_is_no_weight_file(changes: dict[str, object], expected: str) -> None:
    assert said("MOD006", unet(**changes)) == [
        f"error: unet/diffusion_pytorch_model.safetensors {expected}"
    ]


def test_the_reader_s_own_words_and_remedy() -> None:
    facts = unet(fault="truncated: 9 of 12 bytes", remedy="ask its author")
    assert said("MOD007", facts) == [
        "error: unet/diffusion_pytorch_model.safetensors: truncated: 9 of 12 bytes"
    ]
    assert remedies("MOD007", facts) == ["ask its author"]


def test_an_unsafe_pickle_is_not_called_damaged() -> None:
    facts = unet(kind="pickle", unsafe=("names os.system",))
    assert said("MOD007", facts) == []
    assert said("MOD008", facts) == [
        "error: unet/diffusion_pytorch_model.safetensors: names os.system"
    ]


def test_whole_files_are_nothing_to_say() -> None:
    for number in (5, 6, 7, 8, 21):
        assert said(f"MOD{number:03}", HEALTHY) == []


def test_a_pointer_for_a_single_file_is_fetched_in_its_folder() -> None:
    file = weights("x", kind="lfs-pointer", size=134)
    single = replace(
        MODEL,
        path="/data/x.safetensors",
        kind="single-file",
        components=(part("x", weights=(replace(file, path="/data/x.safetensors"),)),),
    )
    facts = sick(model=single)
    assert said("MOD005", facts) == ["error: Git LFS pointers, not weights: x.safetensors"]
    assert remedies("MOD005", facts)[-1] == "git -C /data lfs pull"


def test_a_path_with_a_slash_at_its_end_names_the_same_files() -> None:
    page = weights("unet/a.safetensors", kind="web-page", size=9)
    facts = model(part("unet", weights=(page,)), path="/models/sd15/")
    assert said("MOD006", facts) == [
        "error: unet/a.safetensors is a web page, not weights (9 bytes)"
    ]


def test_a_fault_without_a_remedy_is_one_of_the_download() -> None:
    assert remedies("MOD007", unet(fault="a; b; c")) == ["download the file again"]


@pytest.mark.parametrize("kind", ["lfs-pointer", "web-page", "empty", "missing", "other"])
def test_what_is_no_weights_is_not_called_damaged_as_well(kind: str) -> None:
    assert said("MOD007", unet(kind=kind, fault="no header")) == []


def test_the_first_name_of_an_unsafe_pickle_is_said() -> None:
    facts = unet(kind="legacy-pickle", unsafe=("names os.system", "names builtins.eval"))
    assert said("MOD008", facts) == [
        "error: unet/diffusion_pytorch_model.safetensors: names os.system"
    ]
    assert remedies("MOD008", facts) == [
        "never load it; get the model as safetensors from its author"
    ]


def test_what_a_trainer_left_is_said_file_by_file() -> None:
    facts = model(
        part("unet", weights=(weights("unet/a.ckpt", kind="pickle", notes=("x", "y")),)),
        part("vae", weights=(weights("vae/b.ckpt", kind="pickle", notes=("z",)),)),
    )
    assert said("MOD021", facts) == ["info: unet/a.ckpt: x, y", "info: vae/b.ckpt: z"]
