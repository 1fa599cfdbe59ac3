from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.exceptions import Raised, Relation
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.names import (
    Kind,
    are_known,
    find_kinds,
    find_own,
    is_of_the_field,
    names,
)
from sdcoreml.ground.names import normalise


def raised(*steps: str, packages: tuple[str, ...] = ()) -> tuple[Raised, ...]:
    line = Line(number=9, text="ValueError: x")
    return (
        Raised(
            line=line,
            detail=line,
            start=1,
            end=9,
            type="ValueError",
            relation=Relation.FIRST,
            packages=packages,
            steps=steps,
        ),
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("torch", Kind.PACKAGE),
        ("torch.library", Kind.PACKAGE),
        ("scikit_learn", Kind.PACKAGE),
        ("PIL", Kind.PACKAGE),
        ("Open-CLIP-torch", Kind.PACKAGE),
        ("'einops'", Kind.PACKAGE),
        ("torch==2.5.1", Kind.PACKAGE),
        ("torch[cuda]>=2", Kind.PACKAGE),
        ("accelerate", Kind.PROGRAM),
        ("bz2", Kind.PYTHON),
        ("torch==2.1.2+cu118", Kind.BUILD),
        ("cudatoolkit=11.3", Kind.BUILD),
        ("git-lfs", Kind.PROGRAM),
        ("/models/sd15", Kind.PATH),
        ("mps:0", Kind.DEVICE),
    ],
)
def test_what_a_name_is_a_name_of(name: str, kind: Kind) -> None:
    assert kind in find_kinds(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("frobnik", Kind.PACKAGE),
        ("py.nodes", Kind.PACKAGE),
        ("requirements.txt", Kind.PACKAGE),
        ("bz2", Kind.PACKAGE),
        ("the", Kind.PACKAGE),
        ("torch", Kind.BUILD),
        ("frobnik", Kind.PROGRAM),
        ("None", Kind.PATH),
        ("python", Kind.PATH),
        ("vulkan", Kind.DEVICE),
    ],
)
def test_what_it_is_not_a_name_of(name: str, kind: Kind) -> None:
    assert kind not in find_kinds(name)


def test_a_module_that_is_a_file_of_the_program_is_no_package() -> None:
    own = find_own((raised("/home/me/einops/run.py <module>", "/v/site-packages/timm/x.py f"),))
    assert {"einops", "run"} <= own
    assert "timm" not in own
    assert find_kinds("einops", own) == {Kind.OWN, Kind.PATH}
    assert Kind.PACKAGE in find_kinds("einops")


def test_all_that_is_named_has_to_be_known() -> None:
    assert are_known({"package": "torch", "path": "/x"}, frozenset()) is True
    assert are_known({"package": "torch", "command": "frobnik"}, frozenset()) is False
    assert are_known({"have": "2.0"}, frozenset()) is None, "a version is no name"


def test_whether_code_of_the_field_failed() -> None:
    site = "/venv/lib/python3.10/site-packages"
    assert is_of_the_field(raised(f"{site}/diffusers/x.py f", packages=("diffusers",))) is True
    assert is_of_the_field(raised(f"{site}/flask/app.py f", packages=("flask",))) is False
    assert is_of_the_field(raised("/me/ComfyUI/execution.py f")) is True
    assert is_of_the_field(raised("/me/ComfyUI/custom_nodes/frobs/x.py f")) is False
    assert is_of_the_field(raised("my.py <module>")) is False
    assert is_of_the_field(raised()) is None, "there is no traceback"


def test_the_lists_name_each_package_once_and_as_it_is_looked_up() -> None:
    known = names()
    assert {"torch", "diffusers", "scikit-learn", "sklearn", "pil", "pillow"} <= known.toolchain
    assert not known.field & known.others
    assert all(one == normalise(one) for one in known.packages)
    assert all(one == one.lower() for one in (*known.apps, *known.extensions))


def test_a_sentence_is_no_path() -> None:
    assert Kind.PATH not in find_kinds("an Optional value")
    assert all(Kind.PATH in find_kinds(one) for one in ("/a b/c", "model.bin", "unet", "C:\\x"))


def test_a_folder_s_name_may_have_spaces() -> None:
    line = Line(number=1, text="E")
    raised = Raised(
        line=line,
        detail=line,
        start=1,
        end=1,
        type="E",
        relation=Relation.FIRST,
        steps=("/a/my code/train me.py main",),
    )
    assert find_own([[raised]]) == {"my code", "train me"}
