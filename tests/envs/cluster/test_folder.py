from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sdcoreml.envs.cluster.folder import (
    Cluster,
    Credentials,
    find_cluster,
    keep_credentials,
    split_address,
    stage_credentials,
)
from sdcoreml.ground.errors import BadInputError, BusyError, UsageError

MADE = Credentials(certificate="CERTIFICATE", key="KEY")
OTHER = Credentials(certificate="OTHER", key="NEW")


def found(cluster: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in cluster.iterdir()}


def begin(folder: Path, address: str = "tls://127.0.0.1:1", made: Credentials = MADE) -> None:
    with stage_credentials(folder, made) as new:
        keep_credentials(folder, new, address)


@pytest.mark.parametrize("given", ["127.0.0.1:8786", "localhost:1", "192.0.2.1:8786", "absent"])
def test_nobody_is_reached_without_a_certificate(given: str) -> None:
    with pytest.raises(UsageError, match=f"^{given}: is no folder of a cluster; .*new-cluster"):
        find_cluster(given)


@pytest.mark.parametrize("given", ["absent", "127.0.0.1", "127.0.0.1:99999", "a b:1", "x:y"])
def test_what_is_no_address_is_told(given: str) -> None:
    with pytest.raises(UsageError, match=r"\bis no HOST:PORT"):
        split_address(given)


def test_an_address_has_a_host_and_a_port() -> None:
    assert split_address("tls://192.0.2.1:8786") == ("192.0.2.1", 8786)
    assert split_address("[::1]:1") == ("[::1]", 1)


def test_a_folder_has_the_address_and_the_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    begin(folder, "tls://192.0.2.1:8786")
    cluster = find_cluster(str(folder))
    assert cluster == Cluster(address="tls://192.0.2.1:8786", folder=folder)
    assert cluster.as_request() == {
        "address": "tls://192.0.2.1:8786",
        "certificate": str(folder / "certificate.pem"),
        "key": str(folder / "key.pem"),
    }
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600


def test_a_cluster_that_does_not_begin_leaves_the_running_one_its_folder(tmp_path: Path) -> None:
    begin(tmp_path)
    before = found(tmp_path)
    with stage_credentials(tmp_path, OTHER) as new:
        assert (new / "key.pem").read_text() == "NEW"
        assert stat.S_IMODE(new.stat().st_mode) == 0o700
        assert new.parent == tmp_path
        assert new.name.startswith(".credentials.sdcoreml-")
    assert found(tmp_path) == before
    begin(tmp_path, "tls://127.0.0.1:2", OTHER)
    assert found(tmp_path) == {
        "address.txt": "tls://127.0.0.1:2\n",
        "certificate.pem": "OTHER",
        "key.pem": "NEW",
    }


@pytest.mark.parametrize(
    "there",
    [
        {"key.pem": "mine"},
        {"key.pem": "mine", "certificate.pem": "mine"},
        {"key.pem": "mine", "certificate.pem": "mine", "address.txt": "12 Long Street"},
        {"notes.txt": "mine"},
    ],
)
def test_files_that_are_not_a_cluster_s_are_left(tmp_path: Path, there: dict[str, str]) -> None:
    for name, text in there.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInputError, match="neither empty nor the folder of a cluster"):
        begin(tmp_path)
    assert found(tmp_path) == there


def test_a_folder_of_something_else_is_none_of_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="worker --new-cluster FOLDER` makes one"):
        find_cluster(str(tmp_path))


def test_a_folder_is_that_of_one_cluster_at_a_time(tmp_path: Path) -> None:
    with stage_credentials(tmp_path, MADE) as new:
        keep_credentials(tmp_path, new, "tls://127.0.0.1:1")
        before = found_files(tmp_path)
        with (
            pytest.raises(BusyError, match="a cluster is running"),
            stage_credentials(tmp_path, OTHER),
        ):
            pass
        assert found_files(tmp_path) == before
    with stage_credentials(tmp_path, OTHER) as new:
        keep_credentials(tmp_path, new, "tls://127.0.0.1:2")
    assert found(tmp_path)["key.pem"] == "NEW"


def found_files(cluster: Path) -> dict[str, str]:
    return {
        path.name: path.read_text() for path in cluster.iterdir() if path.suffix in (".pem", ".txt")
    }
