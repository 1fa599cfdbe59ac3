"""Odd paths: unusual names, links, finished folders, and files that are not models."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.texts import with_tokenizer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def named(at: Path, name: str) -> Path:
    return base.write_folder(at / name)


def pipe(at: Path) -> Path:
    os.mkfifo(at / "pipe")
    return at / "pipe"


def files(at: Path, name: str, names: dict[str, bytes | str], give: str = "") -> Path:
    """Write a folder `name` of a few files; return `give` in it, or the folder, as MODEL."""
    folder = at / name
    folder.mkdir()
    for place, content in names.items():
        base.write(folder / place, content)
    return folder / give if give else folder


def linked(at: Path, target: Callable[[Path], Path]) -> Path:
    link = at / "link"
    link.symlink_to(target(at))
    return link


def relative(at: Path) -> Path:
    """Write a model whose `unet` and `vae` folders are relative links into another model."""
    source = base.write_folder(at / "source")
    model = base.write_folder(at / "model")
    for name in ("unet", "vae"):
        for file in (model / name).iterdir():
            file.unlink()
        (model / name).rmdir()
        (model / name).symlink_to(os.path.relpath(source / name, model))
    return model


def compiled(folder: Path, name: str = "Unet") -> Path:
    """Write a stand-in for a compiled model, with the files that readers open first."""
    place = folder / f"{name}.mlmodelc"
    base.write(place / "model.mil", "program(1.0)\n{\n}\n")
    base.write(place / "metadata.json", [{"specificationVersion": 7}])
    base.write(place / "coremldata.bin", bytes(64))
    base.write(place / "weights" / "weight.bin", bytes(128))
    return place


def package(folder: Path, name: str = "Unet") -> Path:
    place = folder / f"{name}.mlpackage"
    items = {"a": {"path": "com.apple.CoreML/model.mlmodel", "name": "model.mlmodel"}}
    base.write(place / "Manifest.json", {"rootModelIdentifier": "a", "itemInfoEntries": items})
    base.write(place / "Data" / "com.apple.CoreML" / "model.mlmodel", bytes(64))
    return place


def finished(at: Path, make: Callable[..., Path] = compiled) -> Path:
    folder = at / "model-split-einsum_512x512"
    for name in ("TextEncoder", "Unet", "VAEDecoder"):
        make(folder, name)
    base.write(folder / "vocab.json", "{}")
    base.write(folder / "merges.txt", "")
    return folder


def finished_zip(at: Path) -> Path:
    folder = finished(at)
    with zipfile.ZipFile(at / "model_split_einsum_compiled.zip", "w") as archive:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            archive.write(file, file.relative_to(at))
    return at / "model_split_einsum_compiled.zip"


def onnx(at: Path) -> Path:
    model = base.write_folder(at / "model")
    for name in ("unet", "vae", "text_encoder"):
        base.weights(model, name).unlink()
        base.write(model / name / "model.onnx", b"\x08\x08\x12\x07pytorch")
        (model / name / "config.json").unlink()
    base.edit(model / "model_index.json", _class_name="OnnxStableDiffusionPipeline")
    return model


def flax(at: Path) -> Path:
    model = base.write_folder(at / "model")
    for name, stem in (("unet", "diffusion_flax_model"), ("text_encoder", "flax_model")):
        base.weights(model, name).unlink()
        base.write(model / name / f"{stem}.msgpack", b"\x82\xa4conv\x80")
    base.weights(model, "vae").rename(model / "vae" / "diffusion_flax_model.msgpack")
    return model


def openvino(at: Path) -> Path:
    model = base.write_folder(at / "model")
    for name in ("unet", "vae", "text_encoder"):
        base.weights(model, name).unlink()
        base.write(model / name / "openvino_model.xml", "<?xml version='1.0'?><net/>")
        base.write(model / name / "openvino_model.bin", bytes(4096))
    return model


def gguf(at: Path) -> Path:
    model = base.write_folder(at / "model")
    base.weights(model, "unet").unlink()
    base.write(model / "unet" / "diffusion_pytorch_model.gguf", b"GGUF\x03\x00\x00\x00" + bytes(64))
    return model


def both_formats(at: Path) -> Path:
    """Write a hub repository that has a folder, a single file, and ONNX and Flax weights."""
    model = base.write_folder(at / "model")
    base.write(model / "v1-5-pruned.safetensors", base.file_bytes("sd1"))
    base.write(model / "unet" / "diffusion_flax_model.msgpack", b"\x82")
    base.write(model / "unet" / "model.onnx", b"\x08")
    return model


NAMES = (
    ("spaces", "my model v1"),
    ("unicode", "modèle 模型 🎨"),
    ("tilde", "~model"),
    ("dash", "-model"),
    ("dots", "model.v1.0"),
    ("quotes", 'it\'s "mine"'),
    ("shell", "a;b&c$(d)`e`"),
    ("percent", "100% model"),
    ("newline", "a\nb"),
    ("hidden", ".model"),
    ("long", "m" * 200),
    ("underscores", "my_model_v1_split"),
    ("brackets", "[model] *?"),
    ("mlmodelc", "model.mlmodelc.safetensors"),
)

CASES: tuple[Case, ...] = (
    *(
        yes(f"folder-named-{word}", partial(named, name=name), f"a folder called {name[:40]!r}")
        for word, name in NAMES
    ),
    yes(
        "link-to-model",
        partial(linked, target=lambda at: base.write_folder(at / "model")),
        "a link to a folder",
    ),
    yes("components-are-links", relative, "components linked to another model's"),
    no("link-to-itself", partial(linked, target=lambda at: at / "link"), Why.UNREADABLE, "a loop"),
    no("link-to-nothing", partial(linked, target=lambda at: at / "x"), Why.UNREADABLE, "dangling"),
    no("not-there", lambda at: at / "nowhere", Why.UNREADABLE, "no such path"),
    no("pipe", pipe, Why.UNREADABLE, "a named pipe"),
    no("device", lambda _: Path("/dev/null"), Why.UNREADABLE, "a device"),
    no("below-a-file", lambda at: base.write(at / "a", "") / "b", Why.UNREADABLE, "no folder"),
    no("long-name", lambda at: at / ("n" * 300), Why.UNREADABLE, "a name no disk takes"),
    no("root", lambda _: Path("/"), Why.NOT_A_MODEL, "the root of the disk"),
    # No models
    no("empty-folder", partial(files, name="empty", names={}), Why.NOT_A_MODEL, "nothing"),
    no(
        "pictures",
        partial(files, name="out", names={f"{n}.png": PNG for n in range(3)}),
        Why.NOT_A_MODEL,
        "pictures",
    ),
    no(
        "one-picture",
        partial(files, name="out", names={"a.png": PNG}, give="a.png"),
        Why.NOT_A_MODEL,
        "a picture",
    ),
    no(
        "one-text",
        partial(files, name="out", names={"a.txt": "hello"}, give="a.txt"),
        Why.NOT_A_MODEL,
        "a text",
    ),
    no(
        "disk-image",
        partial(files, name="out", names={"a.dmg": b"koly" + bytes(512)}, give="a.dmg"),
        Why.NOT_A_MODEL,
        "a disk image",
    ),
    no(
        "folder-of-loras",
        partial(
            files,
            name="loras",
            names={
                f"{n}.safetensors": base.safetensors(base.drawn({f"lora_unet_{n}.alpha": (1,)}))
                for n in range(3)
            },
        ),
        Why.NOT_A_MODEL,
        "a folder of LoRAs",
    ),
    no(
        "folder-of-one-file",
        lambda at: base.write_file(at / "models").parent,
        Why.NOT_A_MODEL,
        "a folder with one single file in it",
        also=Can.YES,
        says="model.safetensors",
    ),
    no(
        "folder-above",
        lambda at: base.write_folder(at / "models" / "mine").parent,
        Why.NOT_A_MODEL,
        "the folder that the model lies in",
        says="mine",
    ),
    no(
        "source-code",
        partial(files, name="repo", names={"setup.py": "", ".git/HEAD": "ref: x"}),
        Why.NOT_A_MODEL,
        "a repository of code",
    ),
    no(
        "language-model",
        partial(
            files,
            name="llama",
            names={
                "config.json": json.dumps(
                    {"architectures": ["LlamaForCausalLM"], "hidden_size": 64}
                ),
                "model.safetensors": base.safetensors(
                    base.drawn({"model.layers.0.self_attn.q_proj.weight": (64, 64)})
                ),
            },
        ),
        Why.FAMILY,
        "a language model",
    ),
    # Other formats, whole folders
    no("onnx-folder", onnx, Why.FORMAT, "ONNX only"),
    no("flax-folder", flax, Why.FORMAT, "Flax only"),
    no("openvino-folder", openvino, Why.FORMAT, "OpenVINO only"),
    no("gguf-folder", gguf, Why.FORMAT, "a UNet in GGUF"),
    yes("all-formats-together", both_formats, "a repository as published"),
    # Core ML
    no("finished-folder", finished, Why.FINISHED, "a finished folder"),
    no("finished-packages", partial(finished, make=package), Why.FINISHED, "packages"),
    no("compiled-model", compiled, Why.FINISHED, "one compiled model"),
    no("one-package", package, Why.FINISHED, "one package"),
    no("finished-zip", finished_zip, Why.FINISHED, "a finished folder in a zip file"),
    no(
        "empty-compiled-model",
        lambda at: files(at, "Unet.mlmodelc", {}),
        Why.FINISHED,
        "an empty folder of that name",
    ),
    no(
        "mlmodel-file",
        partial(files, name="x", names={"Unet.mlmodel": bytes(64)}, give="Unet.mlmodel"),
        Why.FINISHED,
        "Core ML's older form",
    ),
    yes(
        "model-beside-packages",
        lambda at: package(base.write_folder(at / "model")).parent,
        "a diffusers model with a package in its folder",
        also=Can.NO,
    ),
    yes("tokenizer-with-more", partial(with_tokenizer, README__md="x"), "more files beside"),
)
