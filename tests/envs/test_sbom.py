from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from envs.frozen import Frozen, freeze
from envs.interpreter import Interpreter
from envs.sbom import bill
from envs.store import Environment
from lockfiles.toolchain import load_toolchain, toolchain_names

TARGET = "linux-x86_64"


def frozen(name: str = "light") -> Frozen:
    return freeze(load_toolchain(name), TARGET)


def environment(lock_digest: str) -> Environment:
    return Environment(
        name="light",
        path=Path("/envs/abc"),
        toolchain="light",
        target=TARGET,
        lock_digest=lock_digest,
        seal="5ea1" * 16,
        interpreter=Interpreter(
            path=Path("/python"),
            version="3.10.13",
            implementation="CPython",
            target=TARGET,
            source="pyenv",
        ),
        drift=True,
        installer="uv 1.0",
        built=datetime(2026, 11, 24, tzinfo=timezone.utc),
        files=1,
        size=1,
        defects=(),
    )


def properties(told: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in told["metadata"]["component"]["properties"]}


@pytest.mark.parametrize("name", toolchain_names())
def test_every_locked_wheel_is_in_it_with_its_hash(name: str) -> None:
    wanted = frozen(name)
    told = json.loads(bill(wanted))
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    libraries = [one for one in told["components"] if one["type"] == "library"]
    found = {
        (one["name"], one["version"], reference["comment"], reference["hashes"][0]["content"])
        for one in libraries
        for reference in one["externalReferences"]
    }
    assert found == {(a.project, a.version, a.file, a.sha256) for a in wanted.artefacts}
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in libraries)


@pytest.mark.parametrize("name", toolchain_names())
def test_it_is_valid_cyclonedx_to_the_letter(name: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill(frozen(name))) is None


def test_the_validator_would_find_a_field_of_no_standard() -> None:
    told = json.loads(bill(frozen()))
    told["components"][0]["seal"] = "x"
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(told)) is not None


def test_who_needs_whom_refers_to_components_that_are_there() -> None:
    told = json.loads(bill(frozen("tested")))
    known = {one["bom-ref"] for one in told["components"]} | {
        told["metadata"]["component"]["bom-ref"]
    }
    edges = {one["ref"]: one.get("dependsOn", []) for one in told["dependencies"]}
    assert set(edges) == known
    assert all(set(needs) <= known for needs in edges.values())
    (root,) = known - {one["bom-ref"] for one in told["components"]}
    direct = {ref.rpartition("@")[0].rpartition("-")[0] for ref in edges[root]}
    assert set(load_toolchain("tested").pins) <= direct
    assert "cpython@3.10.10" in edges[root]


def test_the_same_bytes_each_time_and_nothing_of_the_moment() -> None:
    first = bill(frozen())
    assert bill(frozen()) == first
    assert "timestamp" not in first
    assert bill(freeze(load_toolchain("light"), "macos-arm64")) != first


def test_a_built_environment_adds_its_seal_and_python() -> None:
    wanted = frozen()
    told = json.loads(bill(wanted, environment(wanted.lock.digest)))
    assert properties(told) == {
        "sdcoreml:lock": wanted.lock.digest,
        "sdcoreml:target": TARGET,
        "sdcoreml:seal": "5ea1" * 16,
    }
    (python,) = (one for one in told["components"] if one["type"] == "platform")
    assert (python["name"], python["version"]) == ("CPython", "3.10.13")
    assert told["serialNumber"] != json.loads(bill(wanted))["serialNumber"]
