from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.lock import (
    LockedPackage,
    load_lock,
    lock_digest,
    parse_lock,
    write_lock,
)

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PATH = Path("lock.txt")
TOOLCHAIN = """
name = "tiny"
python = { version = "3", accepted = "" }
factors = { environment = 1 }
targets = { supported = ["linux-x86_64"] }
"""


def test_what_uv_and_pip_compile_write_is_read() -> None:
    text = f"""\
# made by a tool
torch==2.2.0+cpu ; sys_platform == 'linux' \\
    --hash={B} \\
    --hash={A}
    # via -r requirements.in
Foo_Bar==1.0 --hash={A}  # trailing
"""
    assert parse_lock(text, PATH) == (
        LockedPackage(name="foo-bar", version="1.0", hashes=(A,)),
        LockedPackage(
            name="torch", version="2.2.0+cpu", hashes=(A, B), marker="sys_platform == 'linux'"
        ),
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("one==1", "line 1: one has no hash"),
        ("one==1 --hash=md5:abc", "line 1: one has no hash or one that is not SHA-256"),
        (f"\n\none>=1 --hash={A}", "line 3: not name==version"),
        (f"--index-url https://example.invalid\none==1 --hash={A}", "line 1: not name==version"),
        (f"one==1 --hash={A}\nOne==2 --hash={B}", "one is locked 2 times"),
        ("# nothing", "nothing is locked in it"),
        ("", "nothing is locked in it"),
        (f"one==1 \\\n  --hash={A} \\", ""),
    ],
)
def test_faults_are_named_with_their_line(text: str, what: str) -> None:
    if not what:
        assert len(parse_lock(text, PATH)) == 1
        return
    with pytest.raises(LockfileError, match=what):
        parse_lock(text, PATH)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(LockfileError, match=r"lock\.txt: line 1: .*; line 2: .*two") as caught:
        parse_lock("what is this\ntwo==1", PATH)
    assert "\n" not in str(caught.value)


def test_the_digest_is_of_what_the_lock_says() -> None:
    plain = parse_lock(f"one==1 --hash={A} --hash={B}\ntwo==2 --hash={B}", PATH)
    other = parse_lock(f"# x\nTwo==2 \\\n --hash={B}\none==1 \\\n --hash={B} --hash={A}", PATH)
    assert lock_digest(plain) == lock_digest(other)
    moved = parse_lock(f"one==1 --hash={A} --hash={A[:-1]}b\ntwo==2 --hash={B}", PATH)
    assert lock_digest(plain) != lock_digest(moved)


names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
hashes = st.lists(
    st.integers(0, 2**64).map(lambda n: f"sha256:{n:064x}"), min_size=1, max_size=4, unique=True
)
packages = st.builds(
    LockedPackage,
    name=names,
    version=st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(\+cpu)?", fullmatch=True),
    hashes=hashes.map(lambda found: tuple(sorted(found))),
    marker=st.sampled_from(["", "sys_platform == 'darwin'", 'python_version < "3.11"']),
)


@given(st.lists(packages, min_size=1, max_size=6, unique_by=lambda package: package.name))
def test_what_is_written_is_read_back(found: list[LockedPackage]) -> None:
    ordered = tuple(sorted(found, key=lambda package: package.name))
    assert parse_lock(write_lock(ordered), PATH) == ordered


def test_the_lock_of_linux_is_the_measured_one() -> None:
    lock = load_lock("tested", "linux-x86_64")
    assert lock.path.name == "requirements.linux-x86_64.txt"
    assert len(lock.packages) == 53
    assert len(lock.digest) == 64


def test_a_refused_target_says_why() -> None:
    with pytest.raises(LockfileError, match="no wheel for Linux on aarch64"):
        load_lock("tested", "linux-aarch64")


def test_a_missing_lock_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "toolchain.toml").write_text(TOOLCHAIN)
    again = f"or run `sdcoreml env lock --toolchain {tmp_path}/`"
    with pytest.raises(LockfileError, match=r"linux-x86_64\.txt: no such file") as caught:
        load_lock(f"{tmp_path}/", "linux-x86_64")
    assert caught.value.remedy.endswith(again)
    (tmp_path / "requirements.linux-x86_64.txt").write_text("what is this")
    with pytest.raises(LockfileError, match="line 1") as caught:
        load_lock(f"{tmp_path}/", "linux-x86_64")
    assert caught.value.remedy.endswith(again)


def test_a_package_may_be_locked_once_for_each_marker() -> None:
    text = (
        f"one==2 ; sys_platform == 'linux' --hash={B}\none==1 ; sys_platform == 'darwin' --hash={A}"
    )
    darwin, linux = parse_lock(text, PATH)
    assert (darwin.version, darwin.marker) == ("1", "sys_platform == 'darwin'")
    assert (linux.version, linux.marker) == ("2", "sys_platform == 'linux'")


@pytest.mark.parametrize(
    "line",
    [
        f"-e . --hash={A}",
        f"one @ https://example.invalid/one.whl --hash={A}",
        f"one[extra]==1 --hash={A}",
        f"one==1.* --hash={A}",
        f"one==1,<2 --hash={A}",
        f"one===1 --hash={A}",
        f"-r other.txt --hash={A}",
        f"one --hash={A}",
        f"one==1 --hash={A} --hash=sha256:short",
        f"one==1 --hash={A.upper()}",
    ],
)
def test_nothing_but_a_version_and_its_hashes_is_a_lock(line: str) -> None:
    with pytest.raises(LockfileError, match="line 1"):
        parse_lock(line, PATH)


def test_a_faulty_line_is_quoted_shortly() -> None:
    with pytest.raises(LockfileError) as caught:
        parse_lock("x" * 5000, PATH)
    assert len(str(caught.value)) < 200


def test_what_is_written_is_this_text() -> None:
    package = LockedPackage(name="one", version="1", hashes=(A, B), marker="os_name == 'posix'")
    assert write_lock((package,)) == (
        f"one==1 ; os_name == 'posix' \\\n    --hash={A} \\\n    --hash={B}\n"
    )


def test_a_lock_that_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "toolchain.toml").write_text(TOOLCHAIN)
    (tmp_path / "requirements.linux-x86_64.txt").write_bytes(b"one==1 \xff")
    with pytest.raises(LockfileError, match=r"linux-x86_64\.txt: not UTF-8 .*; restore it, or run"):
        load_lock(f"{tmp_path}/", "linux-x86_64")


LAYOUTS = st.sampled_from(["\n    # via top", "  # why", "\n\n", "\n# made by a tool"])


@given(
    st.lists(packages, min_size=1, max_size=4, unique_by=lambda package: package.name),
    st.randoms(use_true_random=False),
    st.lists(LAYOUTS, min_size=4, max_size=4),
)
def test_order_and_comments_say_nothing(
    found: list[LockedPackage], random: Random, layouts: list[str]
) -> None:
    ordered = tuple(sorted(found, key=lambda package: package.name))
    random.shuffle(found)
    text = "".join(
        write_lock((package,)).rstrip("\n") + layout + "\n"
        for package, layout in zip(found, layouts, strict=False)
    )
    assert parse_lock(text, PATH) == ordered
    assert lock_digest(parse_lock(text, PATH)) == lock_digest(ordered)
