from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sdcoreml.envs.cluster.folder import (
    Cluster,
    Credentials,
    find_cluster,
    keep_address,
    keep_credentials,
    split_address,
)
from sdcoreml.ground.errors import BadInputError, UsageError

MADE = Credentials(certificate="CERTIFICATE", key="KEY")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("localhost:1", "tcp://localhost:1"),
        ("tls://127.1.2.3:9", "tcp://127.1.2.3:9"),
        ("[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_without_a_certificate_this_machine_is_reached(given: str, address: str) -> None:
    assert find_cluster(given) == Cluster(address=address)
    assert set(find_cluster(given).as_request().values()) == {address, ""}


@pytest.mark.parametrize("given", ["192.0.2.1:8786", "mac.local:8786", "0.0.0.0:1", "[2001::1]:1"])
def test_no_other_machine_is_reached_without_a_certificate(given: str) -> None:
    with pytest.raises(UsageError, match="neither the folder of a cluster nor an address of this"):
        find_cluster(given)


@pytest.mark.parametrize("given", ["absent", "127.0.0.1", "127.0.0.1:99999", "a b:1", "x:y"])
def test_what_is_no_address_is_told(given: str) -> None:
    with pytest.raises(UsageError, match="is no folder and no HOST:PORT"):
        split_address(given)


def test_a_folder_has_the_address_and_the_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    keep_credentials(folder, MADE)
    keep_address(folder, "tls://192.0.2.1:8786")
    found = find_cluster(str(folder))
    assert found == Cluster(address="tls://192.0.2.1:8786", folder=folder)
    assert found.as_request() == {
        "address": "tls://192.0.2.1:8786",
        "certificate": str(folder / "certificate.pem"),
        "key": str(folder / "key.pem"),
    }
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600


def test_a_new_cluster_in_the_same_folder_shuts_the_old_one_s_members_out(tmp_path: Path) -> None:
    keep_credentials(tmp_path, MADE)
    keep_address(tmp_path, "tls://127.0.0.1:1")
    keep_credentials(tmp_path, Credentials(certificate="OTHER", key="NEW"))
    assert (tmp_path / "key.pem").read_text() == "NEW"
    with pytest.raises(BadInputError, match=r"address\.txt: no such file"):
        find_cluster(str(tmp_path))


def test_a_folder_of_something_else_is_none_of_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="worker --new-cluster FOLDER` makes one"):
        find_cluster(str(tmp_path))
