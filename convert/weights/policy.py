"""Judges the names that a pickle mentions; none is imported, and dangerous ones are refused."""

from __future__ import annotations

from enum import Enum, auto

from sdcoreml.convert.weights.dtypes import STORAGES, TORCH

# What `torch.save` writes for a state dict, in any version of PyTorch since 0.4.
CONSTRUCTORS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_tensor_v3"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch", "Size"),
    }
)

KNOWN = frozenset(
    CONSTRUCTORS
    | {("torch", name) for name in (*STORAGES, *TORCH)}
    | {("torch.storage", "UntypedStorage"), ("torch.storage", "TypedStorage")}
)

# Types that trainers pickle beside their weights. As inert records they can do nothing.
HARMLESS_BUILTINS = frozenset(
    [
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "object",
        "range",
        "set",
        "slice",
        "str",
        "tuple",
    ]
)

# A checkpoint has no use for these modules or any module below them: refuse the file and say
# so, although nothing would be executed anyway, since users should know what they received.
DANGEROUS = frozenset(
    [
        "__builtin__",
        "_operator",
        "_pickle",
        "_posixsubprocess",
        "_thread",
        "asyncio",
        "bdb",
        "builtins",
        "cProfile",
        "cloudpickle",
        "code",
        "codeop",
        "commands",
        "ctypes",
        "dill",
        "distutils",
        "ensurepip",
        "functools",
        "gc",
        "http",
        "httplib",
        "imp",
        "importlib",
        "inspect",
        "joblib",
        "marshal",
        "multiprocessing",
        "nt",
        "numpy.f2py",
        "numpy.testing",
        "operator",
        "os",
        "pdb",
        "pickle",
        "pip",
        "platform",
        "posix",
        "profile",
        "pty",
        "requests",
        "runpy",
        "setuptools",
        "shutil",
        "signal",
        "socket",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "timeit",
        "torch._inductor",
        "torch.hub",
        "torch.jit",
        "torch.package",
        "torch.serialization",
        "torch.utils.cpp_extension",
        "trace",
        "types",
        "urllib",
        "venv",
        "webbrowser",
    ]
)


class NameVerdict(Enum):
    """The verdict on a name that a pickle mentions."""

    KNOWN = auto()
    """Part of the format."""
    INERT = auto()
    """Unknown: kept as a record that nothing calls."""
    DANGEROUS = auto()
    """The file is refused."""


def judge(module: str, name: str) -> NameVerdict:
    """Return the verdict on `module.name`."""
    if (module, name) in KNOWN:
        return NameVerdict.KNOWN
    if module in ("builtins", "__builtin__") and name in HARMLESS_BUILTINS:
        return NameVerdict.INERT
    parts = f"{module}.{name}".split(".")
    if any(".".join(parts[: end + 1]) in DANGEROUS for end in range(len(parts))):
        return NameVerdict.DANGEROUS
    return NameVerdict.INERT
