from __future__ import annotations

import pytest

from sdcoreml.convert.weights.policy import (
    CONSTRUCTORS,
    DANGEROUS,
    HARMLESS_BUILTINS,
    KNOWN,
    NameVerdict,
    judge,
)


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("torch._utils", "_rebuild_tensor_v2", NameVerdict.KNOWN),
        ("collections", "OrderedDict", NameVerdict.KNOWN),
        ("torch", "HalfStorage", NameVerdict.KNOWN),
        ("torch", "bfloat16", NameVerdict.KNOWN),
        ("builtins", "set", NameVerdict.INERT),
        ("__builtin__", "dict", NameVerdict.INERT),
        ("pathlib", "PosixPath", NameVerdict.INERT),
        ("pytorch_lightning.callbacks", "ModelCheckpoint", NameVerdict.INERT),
        ("numpy.core.multiarray", "scalar", NameVerdict.INERT),
        ("builtins", "eval", NameVerdict.DANGEROUS),
        ("builtins", "getattr", NameVerdict.DANGEROUS),
        ("os", "system", NameVerdict.DANGEROUS),
        ("os.path", "join", NameVerdict.DANGEROUS),
        ("posix", "system", NameVerdict.DANGEROUS),
        ("nt", "system", NameVerdict.DANGEROUS),
        ("runpy", "run_path", NameVerdict.DANGEROUS),
        ("torch.hub", "load", NameVerdict.DANGEROUS),
        ("torch", "hub.load", NameVerdict.DANGEROUS),
        ("osmosis", "filter", NameVerdict.INERT),
    ],
)
def test_verdicts(module: str, name: str, verdict: NameVerdict) -> None:
    assert judge(module, name) is verdict


def test_nothing_known_is_dangerous() -> None:
    assert CONSTRUCTORS <= KNOWN
    assert not {f"{module}.{name}" for module, name in KNOWN} & DANGEROUS


@pytest.mark.parametrize(
    "full",
    [
        # What published exploits and scanners' test files name.
        *("builtins.exec", "builtins.compile", "builtins.__import__", "builtins.open"),
        *("__builtin__.eval", "__builtin__.apply", "builtins.breakpoint", "builtins.setattr"),
        *("os.popen", "os.execv", "posix.popen", "nt.startfile", "subprocess.Popen"),
        *("commands.getoutput", "pty.spawn", "socket.socket", "shutil.rmtree", "sys.exit"),
        *("importlib.import_module", "imp.load_source", "runpy.run_module", "code.interact"),
        *("pickle.loads", "_pickle.loads", "marshal.loads", "dill.loads", "cloudpickle.loads"),
        *("joblib.load", "ctypes.CDLL", "ctypes.util.find_library", "types.FunctionType"),
        *("types.CodeType", "functools.partial", "operator.attrgetter", "_operator.methodcaller"),
        *("webbrowser.open", "requests.get", "requests.api.get", "urllib.request.urlopen"),
        *("http.client.HTTPConnection", "asyncio.create_subprocess_exec", "timeit.timeit"),
        *("cProfile.run", "bdb.Bdb.run", "pdb.run", "trace.Trace", "multiprocessing.Process"),
        *("threading.Thread", "_thread.start_new_thread", "signal.signal", "tempfile.mkstemp"),
        *("torch.serialization.load", "torch.jit.load", "torch.package.PackageImporter"),
        *("torch.utils.cpp_extension.load", "torch._inductor.codecache.compile_file"),
        *("numpy.testing._private.utils.runstring", "numpy.f2py.compile", "pip._internal.main"),
        *("setuptools.setup", "distutils.spawn.spawn", "ensurepip.bootstrap", "venv.create"),
    ],
)
def test_what_exploits_name_is_refused(full: str) -> None:
    module, _, name = full.rpartition(".")
    assert judge(module, name) is NameVerdict.DANGEROUS
    # Protocol 4 walks dots of the name as well: the same attribute from further out.
    top, _, rest = full.partition(".")
    assert judge(top, rest) is NameVerdict.DANGEROUS


@pytest.mark.parametrize("name", sorted(HARMLESS_BUILTINS))
def test_types_among_the_builtins_are_records(name: str) -> None:
    assert judge("builtins", name) is judge("__builtin__", name) is NameVerdict.INERT
    assert judge("builtins", f"{name}.__class__") is NameVerdict.DANGEROUS


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("osx", "system"), ("my.os", "system"), ("codec", "x"), ("pipeline", "x")),
        *(("torch.hubs", "load"), ("torch_hub", "load"), ("sysconfig", "x"), ("torch", "load")),
    ],
)
def test_only_whole_names_of_modules_count(module: str, name: str) -> None:
    assert judge(module, name) is NameVerdict.INERT


@pytest.mark.parametrize(
    ("module", "name"),
    [("torch", "_rebuild_tensor_v2"), ("torch.utils", "Size"), ("collections", "Counter")],
)
def test_a_known_name_is_known_in_its_own_module_alone(module: str, name: str) -> None:
    assert judge(module, name) is NameVerdict.INERT


@pytest.mark.parametrize(
    "full",
    [
        *("collections.OrderedDict", "torch._utils._rebuild_tensor", "torch.Size"),
        *("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"),
        *("torch._utils._rebuild_parameter", "torch.storage.UntypedStorage"),
        *("torch.storage.TypedStorage", "torch.FloatStorage", "torch.HalfStorage"),
        *("torch.BFloat16Storage", "torch.LongStorage", "torch.float16", "torch.bool"),
    ],
)
def test_what_torch_save_writes_is_known(full: str) -> None:
    module, _, name = full.rpartition(".")
    assert judge(module, name) is NameVerdict.KNOWN


@pytest.mark.parametrize(
    "module",
    [
        *("__builtin__", "_operator", "_pickle", "_posixsubprocess", "_thread", "asyncio"),
        *("bdb", "builtins", "cProfile", "cloudpickle", "code", "codeop", "commands"),
        *("ctypes", "dill", "distutils", "ensurepip", "functools", "gc", "http", "httplib"),
        *("imp", "importlib", "inspect", "joblib", "marshal", "multiprocessing", "nt"),
        *("numpy.f2py", "numpy.testing", "operator", "os", "pdb", "pickle", "pip", "platform"),
        *("posix", "profile", "pty", "requests", "runpy", "setuptools", "shutil", "signal"),
        *("socket", "subprocess", "sys", "tempfile", "threading", "timeit", "torch._inductor"),
        *("torch.hub", "torch.jit", "torch.package", "torch.serialization"),
        *("torch.utils.cpp_extension", "trace", "types", "urllib", "venv", "webbrowser"),
    ],
)
def test_a_module_that_can_do_harm_is_dangerous_as_a_whole(module: str) -> None:
    assert judge(module, "anything") is NameVerdict.DANGEROUS
    assert judge(f"{module}.below", "anything") is NameVerdict.DANGEROUS
