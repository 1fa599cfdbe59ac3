"""Members from outside, by a stand-in for the Python that has Dask."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from sdcoreml.envs.cluster import dask
from sdcoreml.envs.cluster.dask import DASK, Dask, find_dask
from sdcoreml.envs.cluster.folder import Cluster, Credentials
from sdcoreml.ground.errors import EnvError, UnreachableError
from sdcoreml.ground.events import silent
from sdcoreml.ground.places import PACKAGE

CLUSTER = Cluster(address="tls://192.0.2.1:8786", folder=Path("/cluster"))


def member(folder: Path, *lines: str, end: str = "") -> Dask:
    """Return Dask whose member keeps what it is told, says these lines, and ends so."""
    python = folder / "python"
    said = "".join(f"echo {shlex.quote(line)}\n" for line in lines)
    kept = f'printf "%s\\n" "$@" >{folder}/words\nenv >{folder}/environ\nhead -n 1 >{folder}/told\n'
    python.write_text(f"#!/bin/sh\n{kept}{said}{end}\n")
    python.chmod(0o755)
    return Dask(python)


def test_what_a_member_is_told_and_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", "/x")
    monkeypatch.setenv("MINE", "y")
    made = member(tmp_path, '{"joined": "mac"}', '{"left": "mac"}')
    assert list(made.take_part(CLUSTER, do="work", name="mac")) == [
        {"joined": "mac"},
        {"left": "mac"},
    ]
    assert json.loads((tmp_path / "told").read_text()) == {
        "do": "work",
        "name": "mac",
        "address": "tls://192.0.2.1:8786",
        "certificate": "/cluster/certificate.pem",
        "key": "/cluster/key.pem",
    }
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["-I", "-B", "-c"]
    assert words[-4:] == [
        "from sdcoreml.envs.cluster.member import serve",
        "serve()",
        "",
        os.fspath(PACKAGE),
    ]
    environ = (tmp_path / "environ").read_text().splitlines()
    assert "MINE=y" in environ
    assert not [line for line in environ if line.startswith("DASK_")]


def test_a_new_certificate(tmp_path: Path) -> None:
    made = member(tmp_path, '{"certificate": "C", "key": "K"}')
    assert made.certify() == Credentials(certificate="C", key="K")
    assert json.loads((tmp_path / "told").read_text())["do"] == "certify"


NOBODY = (
    "tls://192.0.2.1:8786: no cluster answers, or it does not know this certificate (x);"
    " start one with `sdcoreml worker --new-cluster FOLDER`, and give its FOLDER"
)


@pytest.mark.parametrize(
    ("kind", "said", "error", "text"),
    [
        ("OSError", "x", UnreachableError, NOBODY),
        ("TimeoutError", "x", UnreachableError, NOBODY),
        ("CommClosedError", "x", UnreachableError, NOBODY),
        ("ConnectionRefusedError", "x", UnreachableError, NOBODY),
        ("SSLCertVerificationError", "x", UnreachableError, NOBODY),
        ("ValueError", "Timed out", UnreachableError, NOBODY.replace("(x)", "(Timed out)")),
        ("ValueError", "x", EnvError, "tls://192.0.2.1:8786: Dask says: x; run this again"),
    ],
)
def test_what_a_failure_means(
    tmp_path: Path, kind: str, said: str, error: type[EnvError], text: str
) -> None:
    made = member(tmp_path, json.dumps({"error": said, "kind": kind}))
    with pytest.raises(EnvError) as caught:
        list(made.take_part(CLUSTER, do="work"))
    assert (type(caught.value), str(caught.value)) == (error, text)


@pytest.mark.parametrize(("host", "place"), [("", "*:8786"), ("192.0.2.1", "192.0.2.1:8786")])
def test_a_place_where_something_listens_is_told(tmp_path: Path, host: str, place: str) -> None:
    made = member(tmp_path, '{"error": "error: in use", "kind": "OSError"}')
    with pytest.raises(EnvError) as caught:
        list(made.take_part(CLUSTER, do="schedule", host=host, port=8786))
    assert str(caught.value) == (
        f"{place}: no cluster can listen there (in use);"
        " end what listens there, or give another HOST:PORT"
    )


def test_one_that_dies_says_its_last_line(tmp_path: Path) -> None:
    made = member(tmp_path, '{"a": 1}', end="echo first >&2; printf 'last\\351\\n' >&2; exit 3")
    said = made.take_part(CLUSTER, do="work")
    assert next(said) == {"a": 1}
    with pytest.raises(EnvError) as caught:
        next(said)
    assert str(caught.value) == (
        "tls://192.0.2.1:8786: Dask ended with exit code 3: last\ufffd; run this again"
    )


def test_one_that_reads_nothing_is_no_fault(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec <&-\nexit 0\n")
    python.chmod(0o755)
    assert list(Dask(python).take_part(CLUSTER, do="work", text="x" * 1_000_000)) == []


def test_a_member_ends_with_its_stdin(tmp_path: Path) -> None:
    made = member(tmp_path, '{"a": 1}', end=f"cat >/dev/null; touch {tmp_path}/ended")
    said = made.take_part(CLUSTER, do="work")
    assert next(said) == {"a": 1}
    assert not (tmp_path / "ended").exists()
    said.close()
    assert (tmp_path / "ended").exists()


def test_one_that_does_not_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_GRACE", 0.01)
    made = member(tmp_path, '{"a": 1}', end="exec sleep 1000")
    said = made.take_part(CLUSTER, do="work")
    next(said)
    said.close()


def test_one_that_was_brought_is_there(tmp_path: Path) -> None:
    python = tmp_path / DASK.folder_name() / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find_dask(tmp_path, silent).python == python
    assert not (tmp_path / ".lock").exists()
