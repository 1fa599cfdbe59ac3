"""The bill of materials of a toolchain: CycloneDX, as uv exports it, tied to the lock and seal.

The same lock and environment give the same bytes: no time, no random number. Each component has the
hash of the one wheel that is installed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from envs.errors import EnvError
from envs.frozen import INDEX, Frozen, project, uv_command
from envs.process import run
from envs.store import Environment
from lockfiles.artefact import Artefact

FORMAT = "cyclonedx1.5"


def bill(frozen: Frozen, environment: Environment | None = None) -> str:
    """CycloneDX 1.5 as JSON; with the seal and Python of the environment that was built from it.

    Raises:
        EnvError: uv is not there, or cannot read the lock.
    """
    command = uv_command("export", "--format", FORMAT, "--preview-features", "sbom-export")
    with project(frozen) as folder:
        done = run([*command, "--offline", "--project", str(folder)], cwd=folder)
    if done.code != 0:
        last = (done.err.strip().splitlines() or [f"exit code {done.code}"])[-1]
        raise EnvError(f"{frozen.lock.path}: uv export says: {last}; run make lock")
    exported = json.loads(done.out)
    return json.dumps(_tied(exported, frozen, environment), indent=2, ensure_ascii=False) + "\n"


def _tied(
    exported: Mapping[str, Any], frozen: Frozen, environment: Environment | None
) -> dict[str, Any]:
    """What uv exported, without what is of the moment, with what it cannot know."""
    facts = {"lock": frozen.lock.digest, "target": frozen.lock.target}
    python = frozen.toolchain.python.version
    if environment is not None:
        facts["seal"] = environment.seal
        python = environment.interpreter.version
    tools = exported["metadata"]["tools"]
    root = exported["metadata"]["component"]
    interpreter = {
        "type": "platform",
        "bom-ref": f"cpython@{python}",
        "name": "CPython",
        "version": python,
        "purl": f"pkg:generic/python@{python}",
    }
    wheels = {artefact.project: artefact for artefact in frozen.artefacts}
    identity = "\n".join((frozen.toolchain.name, python, *facts.values()))
    return {
        "bomFormat": exported["bomFormat"],
        "specVersion": exported["specVersion"],
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, identity)}",
        "version": exported["version"],
        "metadata": {
            "tools": [*tools, {"name": "sdcoreml"}],
            "component": {
                "type": "application",
                "bom-ref": root["bom-ref"],
                "name": frozen.toolchain.name,
                "version": frozen.lock.digest[:16],
                "properties": [
                    {"name": f"sdcoreml:{key}", "value": value} for key, value in facts.items()
                ],
            },
        },
        "components": [
            *(_component(one, wheels[one["name"]]) for one in exported["components"]),
            interpreter,
        ],
        "dependencies": [
            *(_with_python(one, root["bom-ref"], interpreter) for one in exported["dependencies"]),
            {"ref": interpreter["bom-ref"]},
        ],
    }


def _component(exported: Mapping[str, Any], wheel: Artefact) -> dict[str, Any]:
    """A component whose wheel is named by the page that lists it: a lock ties nobody to one URL."""
    reference = {
        "type": "distribution",
        "url": f"{INDEX}/project/{wheel.project}/{wheel.version}/#files",
        "comment": wheel.file,
        "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
    }
    kept = {key: value for key, value in exported.items() if key != "properties"}
    return {**kept, "externalReferences": [reference]}


def _with_python(
    exported: Mapping[str, Any], root: str, interpreter: Mapping[str, str]
) -> dict[str, Any]:
    """The root depends on its interpreter, too."""
    if exported["ref"] != root:
        return dict(exported)
    return {**exported, "dependsOn": [*exported.get("dependsOn", ()), interpreter["bom-ref"]]}
