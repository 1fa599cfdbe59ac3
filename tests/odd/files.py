"""Single files with odd containers, suffixes or names, damage, and extra or missing tensors."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights import torch_files
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.downloads import DENIED, PAGE, POINTER

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."


def plain(family: str, at: Path, name: str = "model.safetensors") -> Path:
    return base.write_file(at, family, name)


def content(at: Path, data: bytes | Callable[[], bytes], name: str = "model.safetensors") -> Path:
    return base.write_file(at, name=name, content=data if isinstance(data, bytes) else data())


def cut(at: Path, share: float, name: str = "model.safetensors") -> Path:
    data = base.file_bytes("sd1")
    return base.write_file(at, name=name, content=data[: int(len(data) * share)])


def pickled(
    at: Path,
    name: str = "model.ckpt",
    *,
    legacy: bool = False,
    family: str = "sd1",
    beside: dict[str, bytes] | None = None,
) -> Path:
    """Write a model as a pickle like a trainer's; `beside` are extra entries of the outer dict."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original(family)
    path = at / name
    if legacy:
        return torch_files.write_legacy(path, tensors)
    parts = {
        key: torch_files.tensor(
            torch_files.storage(str(number), array.dtype.name, array.size), array.shape
        )
        for number, (key, array) in enumerate(tensors.items())
    }
    root = {"state_dict": torch_files.mapping(parts), **(beside or {})}
    pickled = torch_files.finished(torch_files.mapping(root))
    return torch_files.write_zip(path, tensors, pickled=pickled)


def kept(at: Path, *starts: str, family: str = "sd1") -> Path:
    """Write a single file that has only the tensors whose names begin with these prefixes."""
    tensors = {n: t for n, t in base.original(family).items() if n.startswith(starts)}
    return base.write_file(at, content=base.safetensors(tensors))


def added(at: Path, *, family: str = "sd1", **tensors: np.ndarray) -> Path:
    more = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    return base.write_file(at, content=base.safetensors(base.original(family) | more))


def respelt(at: Path, *pairs: tuple[str, str], family: str = "sd1") -> Path:
    """Write a single file with renamed tensors, by replacing parts of their names."""
    tensors = {}
    for name, tensor in base.original(family).items():
        for old, new in pairs:
            name = name.replace(old, new)  # noqa: PLW2901
        tensors[name] = tensor
    return base.write_file(at, content=base.safetensors(tensors))


def averaged(at: Path) -> Path:
    """Write a single file with a second, averaged UNet (EMA), whose tensor names have no dots."""
    tensors = base.original("sd1")
    for name in list(tensors):
        if name.startswith(UNET):
            tensors["model_ema." + "".join(name.split(".")[1:])] = tensors[name]
    return base.write_file(at, content=base.safetensors(tensors))


def valued(at: Path, value: float, start: str, dtype: str = "f2") -> Path:
    """Write a file with one number set to `value`, in a tensor whose name begins with `start`."""
    tensors = base.original("sd1")
    name = next(n for n, t in tensors.items() if n.startswith(start) and t.ndim > 1)
    spoilt = tensors[name].astype(dtype)
    spoilt.reshape(-1)[5] = value
    return base.write_file(at, content=base.safetensors(tensors | {name: spoilt}))


def retyped(at: Path, dtype: str, start: str = UNET, *, scaled: bool = False) -> Path:
    """Write a file whose matrices under the prefix `start` are of a dtype that numpy lacks."""
    tensors, dtypes = base.original("sd1"), {}
    for name, tensor in list(tensors.items()):
        if name.startswith(start) and tensor.ndim > 1:
            wide = dtype == "BF16"
            bits = np.random.default_rng(1).integers(0x30, 0x3A, tensor.shape)
            tensors[name] = (bits << 8 if wide else bits).astype("u2" if wide else "u1")
            dtypes[name] = dtype
            if scaled:
                tensors[name.removesuffix("weight") + "scale_weight"] = np.ones(1, "f4")
    if scaled:
        tensors[f"{UNET}scaled_fp8"] = np.zeros(2, "u1")
        dtypes[f"{UNET}scaled_fp8"] = dtype
    return base.write_file(at, content=base.safetensors(tensors, dtypes=dtypes))


def wide(at: Path, dtype: str) -> Path:
    tensors = {name: tensor.astype(dtype) for name, tensor in base.original("sd1").items()}
    return base.write_file(at, content=base.safetensors(tensors))


def header(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


def one(dtype: str, begin: int, end: int, name: bytes = b"a") -> bytes:
    fields = f'{{"dtype":"{dtype}","shape":[2],"data_offsets":[{begin},{end}]}}'.encode()
    return b'"' + name + b'":' + fields


def zipped(at: Path) -> Path:
    model = base.write_folder(at / "model")
    with zipfile.ZipFile(at / "model.zip", "w") as archive:
        for file in sorted(f for f in model.rglob("*") if f.is_file()):
            archive.write(file, file.relative_to(at))
    return at / "model.zip"


def tarred(at: Path) -> Path:
    model = base.write_folder(at / "model")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(model, "model")
    return base.write(at / "model.tar.gz", stream.getvalue())


EVIL = torch_files.finished(
    torch_files.call(torch_files.name("posix", "system"), torch_files.text("true"))
)
CALLBACKS = torch_files.mapping(
    {"checkpoint": torch_files.name("pytorch_lightning.callbacks", "ModelCheckpoint")}
)

CASES: tuple[Case, ...] = (
    *(
        yes(f"{name}-file", partial(plain, name), f"a whole {name} model", family=family)
        for name, family in (("sd1", "sd1"), ("sdxl", "sdxl"), ("refiner", "sdxl_refiner"))
    ),
    yes("ckpt", pickled, "a pickle"),
    yes("ckpt-legacy", partial(pickled, legacy=True), "a pickle of PyTorch before 1.6"),
    yes("pt", partial(pickled, name="model.pt"), "a pickle under another suffix"),
    yes(
        "ckpt-with-callbacks",
        partial(pickled, beside={"callbacks": CALLBACKS, "epoch": torch_files.integer(3)}),
        "a trainer's callbacks beside the weights, which are never called",
    ),
    yes(
        "sd2-ckpt-with-steps",
        partial(pickled, family="sd2", beside={"global_step": torch_files.integer(140_000)}),
        "SD 2.x's own checkpoint, whose steps tell what it predicts",
        makes={"prediction": "v_prediction"},
    ),
    yes(
        "sd2-base-ckpt-with-steps",
        partial(pickled, family="sd2", beside={"global_step": torch_files.integer(875_000)}),
        "SD 2.x base's own checkpoint",
        makes={"prediction": "epsilon"},
    ),
    no(
        "ckpt-that-calls",
        lambda at: torch_files.write_zip(at / "model.ckpt", {}, pickled=EVIL),
        Why.UNSAFE,
        "a pickle that runs a command",
    ),
    # Names
    yes("ckpt-is-safetensors", partial(plain, "sd1", name="model.ckpt"), "the other's suffix"),
    yes("safetensors-is-ckpt", partial(pickled, name="model.safetensors"), "the other's suffix"),
    *(
        yes(f"file-named-{word}", partial(plain, "sd1", name=name), f"a file called {name!r}")
        for word, name in (
            ("without-suffix", "model"),
            ("in-capitals", "MODEL.SAFETENSORS"),
            ("copy", "model (1).safetensors"),
            ("with-unicode", "modèle 模型.safetensors"),
            ("with-tilde", "~model.safetensors"),
            ("with-dash", "-model.safetensors"),
            ("with-dots", "model.v1.0-pruned.fp16.safetensors"),
            ("with-quotes", 'it\'s "it".safetensors'),
            ("hidden", ".model.safetensors"),
            ("with-newline", "a\nb.safetensors"),
        )
    ),
    # Damage
    *(
        no(f"file-of-{name}", partial(content, data=data), why, truth)
        for name, data, why, truth in (
            ("page", PAGE, Why.DOWNLOAD, "a web page saved as a model"),
            ("pointer", POINTER, Why.DOWNLOAD, "a Git LFS pointer"),
            ("denial", DENIED, Why.DOWNLOAD, "a refusal saved as a model"),
            ("nothing", b"", Why.DOWNLOAD, "zero bytes"),
            ("seven-bytes", b"1234567", Why.DAMAGED, "less than a length"),
            ("huge-header", (1 << 62).to_bytes(8, "little") + b"{}", Why.DAMAGED, "exabytes"),
            ("no-json", header(b"not json"), Why.DAMAGED, "a header that is not JSON"),
            ("no-tensors", header(b"{}"), Why.NOT_A_MODEL, "no tensor at all"),
            (
                "overlaps",
                header(b"{" + one("F32", 0, 8) + b"," + one("F32", 4, 12, b"b") + b"}", bytes(12)),
                Why.DAMAGED,
                "tensors that share bytes",
            ),
            ("beyond", header(b"{" + one("F32", 0, 8) + b"}"), Why.DAMAGED, "bytes not there"),
            (
                "twins",
                header(b"{" + one("F32", 0, 8) + b"," + one("F32", 8, 16) + b"}", bytes(16)),
                Why.DAMAGED,
                "one name for two tensors",
            ),
            ("type", header(b"{" + one("F5", 0, 8) + b"}", bytes(8)), Why.FORMAT, "no such type"),
        )
    ),
    no("file-cut", partial(cut, share=0.5), Why.DAMAGED, "half a file"),
    no(
        "file-cut-by-browser",
        partial(cut, share=0.9, name="model.safetensors.crdownload"),
        Why.DOWNLOAD,
        "a browser's unfinished download",
    ),
    no("ckpt-of-page", partial(content, data=PAGE, name="model.ckpt"), Why.DOWNLOAD, "a page"),
    # Other formats
    *(
        no(f"format-{name}", partial(content, data=data, name=file), Why.FORMAT, truth)
        for name, file, data, truth in (
            ("gguf", "model.gguf", b"GGUF\x03\x00\x00\x00" + bytes(64), "llama.cpp's container"),
            ("gguf-renamed", "model.safetensors", b"GGUF\x03\x00\x00\x00" + bytes(64), "the same"),
            ("onnx", "model.onnx", b"\x08\x08\x12\x07pytorch" + bytes(64), "ONNX"),
            ("flax", "model.msgpack", b"\x82\xa4unet\x80\xa3vae\x80", "Flax"),
            ("keras", "model.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
            ("gzip", "model.safetensors.gz", gzip.compress(b"x"), "a compressed file"),
            ("numpy", "model.npz", b"PK\x05\x06" + bytes(18), "NumPy's archive"),
        )
    ),
    no("model-in-zip", zipped, Why.FORMAT, "a folder in a zip file"),
    no("model-in-tar", tarred, Why.FORMAT, "a folder in a tar file"),
    # Parts
    no("file-without-vae", lambda at: kept(at, UNET, TEXT), Why.INCOMPLETE, "no VAE"),
    yes(
        "file-without-vae-and-one-given",
        lambda at: kept(base.write_folder(at / "donor").parent, UNET, TEXT),
        "no VAE, and another model's given",
        options=("--vae", "{case}/donor"),
        alone=Can.NO,
    ),
    no("file-without-text", lambda at: kept(at, UNET, VAE), Why.INCOMPLETE, "no text encoder"),
    no("file-of-unet-only", lambda at: kept(at, UNET), Why.COMPONENT, "a UNet in original names"),
    no(
        "sdxl-file-without-second-encoder",
        lambda at: kept(at, UNET, VAE, "conditioner.embedders.0.", family="sdxl"),
        Why.INCOMPLETE,
        "SDXL with one text encoder",
    ),
    yes("file-with-averages", averaged, "trained and averaged weights; the trained are taken"),
    yes(
        "file-with-buffers",
        partial(
            added,
            cond_stage_model__transformer__text_model__embeddings__position_ids=np.arange(77),
            betas=np.zeros(1000, "f4"),
            alphas_cumprod=np.zeros(1000, "f4"),
        ),
        "a trainer's buffers",
    ),
    yes(
        "sdxl-file-with-scale",
        partial(
            added,
            family="sdxl",
            conditioner__embedders__1__model__logit_scale=np.array(4.6, "f4"),
        ),
        "OpenCLIP's scale, a scalar that no conversion needs",
    ),
    yes(
        "file-with-a-stranger",
        partial(added, cond_stage_model__wildcard__weight=np.zeros((2, 2), "f2")),
        "one tensor of no component, which the library would leave aside",
        also=Can.NO,
    ),
    yes(
        "old-text-names",
        lambda at: respelt(at, ("transformer.text_model.", "transformer.")),
        "early merges' names of the text encoder",
    ),
    yes(
        "vae-attention-as-to-q",
        lambda at: respelt(
            at,
            ("attn_1.q.", "attn_1.to_q."),
            ("attn_1.k.", "attn_1.to_k."),
            ("attn_1.v.", "attn_1.to_v."),
            ("attn_1.proj_out.", "attn_1.to_out.0."),
        ),
        "the original VAE with diffusers' names of its attention",
    ),
    # Types and values
    yes("file-float32", partial(wide, dtype="f4"), "float32"),
    yes("file-float64", partial(wide, dtype="f8"), "float64"),
    yes("file-bfloat16", partial(retyped, dtype="BF16"), "a UNet in bfloat16"),
    yes("file-fp8-e4m3", partial(retyped, dtype="F8_E4M3"), "a UNet in FP8", also=Can.NO),
    yes("file-fp8-e5m2", partial(retyped, dtype="F8_E5M2"), "the other FP8", also=Can.NO),
    yes(
        "file-fp8-scaled",
        partial(retyped, dtype="F8_E4M3", scaled=True),
        "FP8 with a scale beside each matrix",
        also=Can.NO,
    ),
    no("file-int8", partial(retyped, dtype="I8"), Why.FORMAT, "a UNet quantised to integers"),
    *(
        Case(
            name=f"file-{name}",
            build=partial(valued, value=value, start=start, dtype=dtype),
            truth=f"{value} among the weights, which only reading them tells",
            can=Can.HEADERS,
            why=Why.VALUES,
        )
        for name, value, start, dtype in (
            ("nan-in-unet", float("nan"), UNET, "f2"),
            ("inf-in-vae", float("inf"), VAE, "f2"),
            ("nan-in-text", float("nan"), TEXT, "f2"),
            ("too-large-for-half", 1e6, UNET, "f4"),
        )
    ),
)
