from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.certificates.check import examine
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.prove import ProofPolicy, StagedProgram, prove
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.proof.record import Sibling
from sdcoreml.convert.spec.model import (
    DataType,
    Elements,
    Model,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import BadInputError, ParityError, UnsupportedError
from sdcoreml.ground.events import Emit, silent
from tests.convert.stand_ins import StandIn, model_of, proof, write_model, write_stand_in

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
UNET = model_of(interfaces(SIZE)["unet"])
NO_TORCH = ProofPolicy(reason="the toolchain light has no torch")


def holding(values: tuple[float, ...]) -> Model:
    """Return a stand-in for the UNet, with one weight that is named as in the checkpoint."""
    kind = TensorType(dtype=DataType.FLOAT32, shape=(len(values),))
    name = Value(type=TensorType(dtype=DataType.STRING), data=Elements(values=("weight",)))
    constant = Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name="weight", type=kind),),
        attributes={"name": name, "val": Value(type=kind, data=Elements(values=values))},
    )
    function = UNET.program.functions["main"]
    block = replace(function.block, operations=(constant, *function.block.operations))
    function = replace(function, blocks={function.opset: block})
    return replace(UNET, program=replace(UNET.program, functions={"main": function}))


def built(tmp_path: Path, model: Model) -> StagedProgram:
    source = write_model(tmp_path / "cat") / "unet"
    package = tmp_path / "Unet.mlpackage"
    write_stand_in(package, model)
    return StagedProgram(
        part=ProgramSpec(program="unet", source="unet"),
        package=package,
        config=source / CONFIG_NAME,
        settings={},
        weights=source / "diffusion_pytorch_model.safetensors",
        options=ProgramOptions(),
    )


def test_what_nobody_certified_is_run(tmp_path: Path) -> None:
    made = built(tmp_path, UNET)
    runner = StandIn(size=SIZE)
    assert prove([made], ProofPolicy(), runner, silent) == {"unet": proof("unet")}
    assert runner.requests == [("check", {"packages": [made.request()], "fast": False})]


def test_without_torch_the_weights_are_audited_and_the_rest_is_said(tmp_path: Path) -> None:
    made = built(tmp_path, holding(tuple(float(n) for n in range(8))))
    runner = StandIn(size=SIZE)
    found = prove([made], NO_TORCH, runner, silent)["unet"]
    assert found.unchecked == "the toolchain light has no torch"
    assert found.audit.matched == 1
    assert (found.outputs, found.runs) == ((), 0)
    assert runner.requests == []


@pytest.mark.parametrize("values", [(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5), (0.0, 1.0)])
def test_without_torch_a_wrong_weight_is_still_an_error(
    tmp_path: Path, values: tuple[float, ...]
) -> None:
    made = built(tmp_path, holding(values))
    with pytest.raises(ParityError, match=r"Unet\.mlpackage: .*weight"):
        prove([made], NO_TORCH, StandIn(size=SIZE), silent)


def test_a_wrong_weight_is_an_error_before_anything_is_run(tmp_path: Path) -> None:
    made = built(tmp_path, holding((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5)))
    runner = StandIn(size=SIZE)
    with pytest.raises(ParityError, match=r"Unet\.mlpackage: .*weight"):
        prove([made], ProofPolicy(certificates={"5f": CERTIFICATE}), runner, silent)
    assert runner.requests == []


def test_where_certificates_alone_count_what_has_none_is_refused(tmp_path: Path) -> None:
    made = built(tmp_path, holding(tuple(float(n) for n in range(8))))
    with pytest.raises(UnsupportedError, match="unet: no certificate proves its graph"):
        prove([made], replace(NO_TORCH, certified_only=True), StandIn(size=SIZE), silent)


CERTIFICATE = Certificate(
    key="5f",
    component="unet",
    title="Stable Diffusion 1.x, SPLIT_EINSUM, 512x512, macOS13",
    outputs=(),
    runs=2,
    toolchain="tested",
    lock="5f",
    date="2026-11-25",
    module="5e",
    options={"height": 64, "width": 64},
)
SIBLING = Sibling(graph="5f", title=CERTIFICATE.title, origin=CERTIFICATE.origin)


class Relating(StandIn):
    """A `Runner` for which every graph differs only in shapes from the certified one."""

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        outcome = super().run(task, request, emit)
        if task != "siblings":
            return outcome
        graphs = {item["component"]: to_plain(SIBLING) for item in request["graphs"]}
        return Outcome(value=graphs, peak_memory=1)


def test_certified_graphs_of_the_program_are_offered_when_it_is_run(tmp_path: Path) -> None:
    made = built(tmp_path, UNET)
    others = (replace(CERTIFICATE, component="vae_decoder"), replace(CERTIFICATE, module=""))
    issued = {str(number): one for number, one in enumerate((CERTIFICATE, *others))}
    runner = StandIn(size=SIZE)
    prove([made], ProofPolicy(certificates=issued), runner, silent)
    again = ProofPolicy(certificates=issued, run=frozenset({"unet"}))
    prove([made], again, runner, silent)
    (_, first), (_, second) = runner.requests
    assert first["certificates"] == [to_plain(CERTIFICATE)]
    assert "certificates" not in second


@pytest.mark.parametrize("reason", ["", NO_TORCH.reason])
def test_a_certified_graph_is_compared_with_no_other(tmp_path: Path, reason: str) -> None:
    made = built(tmp_path, holding(tuple(float(n) for n in range(8))))
    key = examine(made.written, "unet", {}, made.weights, made.options).digests.key
    issued = {name: replace(CERTIFICATE, key=name) for name in (key, "5f")}
    runner = Relating(size=SIZE)
    policy = ProofPolicy(certificates=issued, reason=reason)
    found = prove([made], policy, runner, silent)["unet"]
    assert (found.graph, found.sibling, found.unchecked) == (key, None, "")
    assert found.certificate == issued[key].origin
    assert runner.requests == []


def test_weights_that_were_audited_are_not_audited_again_by_the_child(tmp_path: Path) -> None:
    made = built(tmp_path, holding(tuple(float(n) for n in range(8))))
    policy = ProofPolicy(certificates={"5f": CERTIFICATE})
    runner = StandIn(size=SIZE)
    prove([made], policy, runner, silent)
    prove([made], replace(policy, run=frozenset({"unet"})), runner, silent)
    (_, first), (_, second) = runner.requests
    sent = from_plain(Audit, first["packages"][0]["audit"], "request")
    assert sent == examine(made.written, "unet", {}, made.weights, made.options).audit
    assert (len(sent.sources), sent.faults()) == (1, ())
    assert "audit" not in second["packages"][0], "nothing was audited before it is run"


def test_packages_that_were_read_are_not_read_again(tmp_path: Path) -> None:
    made = built(tmp_path, holding(tuple(float(n) for n in range(8))))
    package = read_package(made.package)
    package.model_path.write_bytes(b"not a model")
    with pytest.raises(BadInputError, match="not a Core ML model"):
        prove([made], NO_TORCH, StandIn(size=SIZE), silent)
    found = prove([replace(made, read=(package,))], NO_TORCH, StandIn(size=SIZE), silent)
    assert found["unet"].audit.matched == 1


def test_without_torch_a_graph_is_compared_with_certified_ones_and_not_run(tmp_path: Path) -> None:
    made = built(tmp_path, holding(tuple(float(n) for n in range(8))))
    policy = replace(NO_TORCH, certificates={"5f": CERTIFICATE})
    runner = Relating(size=SIZE)
    found = prove([made], policy, runner, silent)["unet"]
    assert (found.sibling, found.unchecked, found.runs) == (SIBLING, NO_TORCH.reason, 0)
    ((task, request),) = runner.requests
    (graph,) = request["graphs"]
    assert (task, graph["component"], len(graph["graph"])) == ("siblings", "unet", 64)
    assert prove([replace(made, foreign=True)], policy, runner, silent)["unet"].sibling is None


def test_a_package_and_its_compiled_folder_are_neighbours(tmp_path: Path) -> None:
    made = built(tmp_path, UNET)
    assert (made.packages, made.compiled) == (
        (tmp_path / "Unet.mlpackage",),
        (tmp_path / "Unet.mlmodelc",),
    )
    halves = replace(made, halves=True)
    assert [path.name for path in (*halves.packages, *halves.compiled)] == [
        "UnetChunk1.mlpackage",
        "UnetChunk2.mlpackage",
        "UnetChunk1.mlmodelc",
        "UnetChunk2.mlmodelc",
    ]
    assert halves.request()["chunk"] is True
