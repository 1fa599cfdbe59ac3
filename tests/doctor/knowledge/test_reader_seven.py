"""What a reader of the seventh kind found told wrongly of ordinary logs stays mended."""

from __future__ import annotations

import time

import pytest

from sdcoreml.doctor.knowledge import Confidence, Role, entries
from sdcoreml.doctor.knowledge.cleaning import clean
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.differences import find_differences
from sdcoreml.doctor.knowledge.ranking import Match

NEURAL = "[espresso] [Espresso::handle_ex_plan] exception=ANECF error: failed to load ANE model\n"
BUILT = (
    "'{file}' (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))\n"
)
NODE = "/p/node_modules/sharp/build/Release/sharp.node"
TOKENIZE = "AttributeError: 'NoneType' object has no attribute 'tokenize'\n"
TRACED = (
    'Traceback (most recent call last):\n  File "{file}", line 3, in encode\n    a.tokenize(b)\n'
)
GIT = "fatal: unable to access 'https://git.example/a.git/': SSL certificate problem: "
SIZE = (
    "\tsize mismatch for down_blocks.{0}.attn2.to_k.weight: copying a param with shape"
    " torch.Size([320, 1024]) from checkpoint, the shape in current model is"
    " torch.Size([320, 768]).\n"
)


def tell(log: str) -> Match:
    """Return the first that is told of a log."""
    return examine(log, entries()).matches[0]


def say(log: str) -> tuple[str, str]:
    """Return which entry is told first, and all that it says."""
    first = tell(log)
    return first.entry.id, f"{first.cause} {first.fix}"


@pytest.mark.parametrize(
    "after", ["Step 20 of 20\n", "Saved 1 image\n", "Sampling: 100%|####| 20/20\n", "Image saved\n"]
)
def test_what_the_neural_engine_did_not_load_is_no_cause_where_the_run_went_on(after: str) -> None:
    assert tell(NEURAL).confidence is not Confidence.GUESS
    told = tell(NEURAL + after)
    assert told.role is Role.HARMLESS or told.confidence is Confidence.GUESS


@pytest.mark.parametrize("name", ["Mapping", "MutableSet", "Callable", "AsyncIterator", "KeysView"])
def test_what_collections_lost_is_told_by_its_names(name: str) -> None:
    asked = f"ImportError: cannot import name '{name}' from 'collections' (/l/collections.py)\n"
    for log in (asked, f"AttributeError: module 'collections' has no attribute '{name}'\n"):
        assert say(log)[0] == "collections-abc-moved"
        for other in ("Paint", f"{name}s", "Counters", "OrderedDictionary"):
            changed = log.replace(f"'{name}'", f"'{other}'")
            found = (one.entry.id for one in examine(changed, entries()).matches)
            assert "collections-abc-moved" not in found


@pytest.mark.parametrize("file", [NODE, "/me/.julia/lib/libpaint.dylib", "/usr/local/lib/a.dylib"])
def test_a_library_of_another_processor_is_pythons_only_in_its_environment(file: str) -> None:
    name, said = say(f"Error: dlopen({file}, 0x0001): tried: {BUILT.format(file=file)}")
    assert name == "wrong-arch-dylib"
    assert f"{file} is for the processor x86_64" in said
    assert "pip" not in said
    assert tell(f"dlopen: tried: {BUILT.format(file=file)}").confidence is Confidence.LIKELY


@pytest.mark.parametrize(
    "file",
    [
        "/v/lib/python3.10/site-packages/paint/libpaint.dylib",
        "/v/paint/core.cpython-310-darwin.so",
        "/v/core.abi3.so",
    ],
)
def test_a_library_of_an_environment_is_pythons(file: str) -> None:
    log = f"OSError: dlopen({file}, 6): tried: {BUILT.format(file=file)}"
    assert "the package in its environment is Intel's" in say(log)[1]
    assert tell(log).confidence is Confidence.CERTAIN


@pytest.mark.parametrize(
    "line",
    [
        "│ │ failed = 'RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB' │ │",
        "││ failed = \"ModuleNotFoundError: No module named 'xformers'\" ││",
        "│ │           'RuntimeError: CUDA out of memory. Tried to allocate 2 MiB'    │ │",
        "| | failed = 'RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB' | |",
    ],
)
def test_the_variables_of_a_frame_tell_no_cause(line: str) -> None:
    assert clean(line) == ""
    log = f"╭─ Traceback (most recent call last) ─╮\n{line}\n╰───╯\nKeyError: 'ink'\n"
    assert tell(log).text == "KeyError: 'ink'"


def test_what_stands_in_one_box_is_read() -> None:
    assert clean("│ RuntimeError: CUDA out of memory. │") == "RuntimeError: CUDA out of memory."
    assert "b = c" in clean("| a | b = c | d |")


@pytest.mark.parametrize(
    "log",
    [
        "OSError: [Errno 28] No space left on device: '/dev/shm/torch_123_abc'\n",
        (
            "RuntimeError: unable to allocate shared memory(shm) for file </torch_1_2>: No space"
            " left on device (28)\n"
        ),
        "RuntimeError: unable to write to file </torch_123_456>: No space left on device (28)\n",
        (
            'ERROR: could not resize shared memory segment "/ink.12" to 16 bytes: No space left on'
            " device\n"
        ),
    ],
)
def test_full_shared_memory_is_not_the_disk(log: str) -> None:
    name, said = say(log)
    assert name == "family-docker-shm"
    assert "--shm-size" in said
    assert "num_workers=0" in said
    assert all("disk" not in one.entry.id for one in examine(log, entries()).matches)


@pytest.mark.parametrize(
    "log",
    [
        "Error: ENOSPC: System limit for number of file watchers reached, watch '/p/web'\n",
        "OSError: [Errno 28] inotify watch limit reached\n",
        "inotify_add_watch(/p/web): No space left on device\n",
        "Failed to watch /p; upper limit on inotify watches reached!\n",
    ],
)
def test_files_that_are_watched_fill_no_disk(log: str) -> None:
    name, said = say(log)
    assert name == "family-file-watchers"
    assert "fs.inotify.max_user_watches" in said
    assert all("disk" not in one.entry.id for one in examine(log, entries()).matches)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("self signed certificate", "http.https://git.example/.sslCAInfo"),
        ("self-signed certificate", "http.https://git.example/.sslCAInfo"),
        ("self-signed certificate in certificate chain", "http.sslCAInfo FILE"),
    ],
)
def test_git_reads_certificates_where_git_looks(line: str, where: str) -> None:
    assert where in say(f"{GIT}{line}\n")[1]
    assert "GIT_SSL_CAINFO" in say(f"{GIT}{line}\n")[1]


@pytest.mark.parametrize(
    "line",
    [
        f"{GIT}self signed certificate",
        'Get "https://hub.example/v2/": x509: certificate signed by unknown authority',
        (
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify"
            " failed: self-signed certificate (_ssl.c:1007)"
        ),
    ],
)
def test_a_certificate_may_be_the_servers_own(line: str) -> None:
    first = tell(f"{line}\n")
    assert first.entry.id == "certificate-not-trusted"
    assert first.confidence is Confidence.LIKELY
    assert first.cause.index("own") < first.cause.index("proxy")


def test_reading_takes_no_longer_for_empty_lines() -> None:
    since = time.process_time()
    told = examine("a\n" + "\n" * 20_000 + "ValueError: boom\n", entries())
    assert time.process_time() - since < 2
    assert told.structure.decisive is not None
    assert told.structure.decisive.number == 20_002


def test_many_tensors_take_no_longer_for_each() -> None:
    log = "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n"
    log += "".join(SIZE.format(at) for at in range(200))
    since = time.process_time()
    assert tell(log).entry.id == "ckpt-merge-missing-keys-sd2-v1"
    assert time.process_time() - since < 3
    assert len(find_differences(log).pairs) == 200


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("john-doe.", "The account john-doe may not push to o/r:"),
        ("a.b.", "The account a.b may not"),
        ("you.", "The account that git is logged in as may not"),
        ("youth.", "The account youth may not"),
    ],
)
def test_who_may_not_push_is_told_without_the_full_stop(who: str, said: str) -> None:
    log = f"remote: Permission to o/r.git denied to {who}\nfatal: unable to access"
    assert (
        said
        in say(f"{log} 'https://github.com/o/r.git/': The requested URL returned error: 403\n")[1]
    )


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ld: library not found for -lz", "brew install zlib,"),
        ("ld: library 'crypto' not found", "brew install openssl@3,"),
        ("/usr/bin/ld: cannot find -lz", "sudo apt-get install zlib1g-dev"),
        ("/usr/bin/ld: cannot find -lGL: No such file or directory", "libgl1-mesa-dev"),
        ("/usr/bin/ld: cannot find -lpaint", "apt-file search libpaint.so"),
        ("ld: library 'paint' not found", "seldom called like the library"),
        ("ld: framework not found Paint", "The framework Paint is not in the SDK"),
        ("LINK : fatal error LNK1181: cannot open input file 'z.lib'", "does not find z.lib"),
    ],
)
def test_a_library_is_installed_under_its_packages_name(line: str, wanted: str) -> None:
    name, said = say(f"{line}\n")
    assert name == "linker-lacks-library"
    assert wanted in said
    assert ("brew install" in said) is wanted.startswith("brew")
    assert "brew" not in said or "/usr/bin/ld" not in line


@pytest.mark.parametrize("before", ["  ", "#12 3.4 "])
def test_a_library_that_is_missed_is_told_before_the_build_that_it_ended(before: str) -> None:
    lines = (
        "/usr/bin/ld: cannot find -lz: No such file or directory",
        "collect2: error: ld returned 1 exit status",
        "error: command '/usr/bin/gcc' failed with exit code 1",
    )
    assert say("".join(f"{before}{one}\n" for one in lines))[0] == "linker-lacks-library"


def test_a_text_encoder_is_missed_in_comfyui_only() -> None:
    inside = TRACED.format(file="/me/ComfyUI/nodes.py") + TOKENIZE
    assert say(inside)[0] == "family-comfy-no-clip"
    assert tell(inside).text == TOKENIZE.strip()
    outside = examine(TRACED.format(file="/me/train.py") + TOKENIZE, entries()).matches
    assert all(one.entry.id != "family-comfy-no-clip" for one in outside)


@pytest.mark.parametrize(
    ("module", "bound"),
    [
        ("pytorch_lightning.utilities.distributed", "before 2.0.1"),
        ("transformers.deepspeed", "before 4.46:"),
        ("torchvision.transforms.functional_tensor", "before 0.17.0"),
    ],
)
def test_a_module_is_not_guessed_elsewhere_by_its_last_name(module: str, bound: str) -> None:
    said = say(f"ModuleNotFoundError: No module named '{module}'\n")[1]
    assert "it is in" not in said
    assert bound in said


def test_what_a_release_without_a_wheel_may_lack_is_not_advised() -> None:
    said = say("ImportError: cannot import name 'randn_tensor' from 'diffusers.utils' (/a.py)\n")[1]
    assert "a release after 0.20.1 removed randn_tensor" in said
    assert "pip install 'diffusers>=0.12.0,<0.21'" in said
