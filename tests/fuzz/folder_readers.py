"""The commands that read a finished folder or a package, which may be nested deeply or closed."""

from __future__ import annotations

from tests.fuzz.depths import nest_blocks, nest_brackets, nest_folders
from tests.fuzz.places import close
from tests.fuzz.reader import PLAN, Attempt, Reader, each, stop_at_work

_FOLDER_VERBS = (
    ("inspect", "folder"),
    ("doctor", "--select", "MOD,BUN", "folder"),
    ("verify", "folder"),
    ("verify", "folder", "--against", "model"),
    ("convert", "--components", "unet", "-o", "folder", "model"),
    ("convert", "--plan", "-o", "out", "--for", "folder", "control"),
    ("clean", "--dry-run", "folder"),
)
"""What reads a finished folder."""
_DEEP = (
    ("work/folder/**/*.mil", nest_brackets),
    ("work/folder/**/*.mil", nest_brackets),
    ("work/folder/**/*.mlmodel", nest_blocks),
    ("work/folder/**/*.json", nest_brackets),
    ("work/folder/**/*.txt", nest_brackets),
    ("work/folder/**/*", nest_folders),
)


def _deep() -> tuple[Attempt, ...]:
    folders = tuple(
        Attempt(input="finished", words=words, aims=(aim,), by=(mutation,))
        for words in _FOLDER_VERBS
        for aim, mutation in _DEEP
    )
    packages = tuple(
        Attempt(input="small-package", words=("compile", "-o", "out", name), aims=(aim,), by=(how,))
        for name in ("Small.mlpackage", "Packed.mlpackage")
        for aim, how in (
            (f"work/{name}/**/*.mlmodel", nest_blocks),
            (f"work/{name}/**/*.mlmodel", nest_blocks),
            (f"work/{name}/Manifest.json", nest_brackets),
            (f"work/{name}/**/*", nest_folders),
        )
    )
    models = tuple(
        Attempt(input="addons", words=words, aims=("work/model/**/*",), by=(nest_folders,))
        for words in (
            ("inspect", "model"),
            (*PLAN, "model"),
            ("doctor", "--select", "MOD", "model"),
        )
    )
    return folders + packages + models


FOLDER_READERS: tuple[Reader, ...] = (
    Reader(name="inspect-folder", share=3, attempts=each(("inspect",), ("finished", "folder"))),
    Reader(
        name="doctor-folder",
        share=3,
        attempts=each(("doctor", "--select", "MOD,BUN"), ("finished", "folder")),
    ),
    Reader(
        name="verify",
        share=3,
        attempts=(
            *each(("verify",), ("finished", "folder")),
            Attempt(input="finished", words=("verify", "folder", "--against", "model")),
        ),
        patch=stop_at_work,
    ),
    Reader(
        name="manifest",
        share=3,
        attempts=(
            Attempt(
                input="finished",
                words=("convert", "--plan", "--components", "unet", "-o", "folder", "model"),
                aims=("work/folder/manifest.json", "work/folder/*"),
            ),
            Attempt(
                input="finished",
                words=("convert", "--components", "unet", "-o", "folder", "model"),
                aims=("work/folder/manifest.json", "work/folder/**/*"),
            ),
            Attempt(
                input="finished",
                words=("convert", "--plan", "-o", "out", "--for", "folder", "control"),
                aims=("work/folder/manifest.json", "work/folder/*", "work/control/*"),
            ),
        ),
        patch=stop_at_work,
    ),
    Reader(
        name="compiled",
        share=3,
        attempts=tuple(
            Attempt(
                input="finished",
                words=words,
                aims=("work/folder/*.mlmodelc/*", "work/folder/*.mlmodelc/**/*"),
            )
            for words in _FOLDER_VERBS
        ),
        patch=stop_at_work,
    ),
    Reader(
        name="deep",
        share=4,
        attempts=_deep(),
        made=frozenset({"work/out"}),
        patch=stop_at_work,
    ),
    Reader(
        name="closed",
        share=3,
        attempts=tuple(
            Attempt(input="finished", words=words, aims=aims, by=(close,))
            for words in _FOLDER_VERBS
            for aims in (("work/folder/*",), ("work/folder/**/*",), ("work/*",))
        ),
        patch=stop_at_work,
    ),
)
