"""Certificates: which programs they cover, and the files they are kept in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sdcoreml.convert.certificates.check import digests_of, examine
from sdcoreml.convert.certificates.digest import certificate_key
from sdcoreml.convert.certificates.store import Certificate, load, save
from sdcoreml.convert.parity.check import QUICK, check_program
from sdcoreml.convert.programs.options import Attention, Prediction, ProgramOptions
from sdcoreml.convert.proof.audit import audit
from sdcoreml.convert.proof.record import FigureRecord
from sdcoreml.convert.spec.model import (
    Feature,
    Metadata,
    NamedType,
    Operation,
    Value,
)
from sdcoreml.convert.storage.package import OpenProgram, open_program
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import BadInputError
from tests.inside.convert import block
from tests.inside.convert.mil.graphs import F16, Graph, Ref
from tests.inside.convert.mil.packages import write_package
from tests.inside.convert.mutations import CAUGHT, INVISIBLE, Mutation, argument, find, put, weight

CONFIG = {"layers": 1, "heads": 2}
CERTIFICATE = Certificate(
    key="aa",
    component="unet",
    title="SD 1.x, SPLIT_EINSUM, 512x512",
    outputs=(
        FigureRecord(output="noise_pred", mode="fp32", psnr=130.5, max_error=1e-5, floor=115),
    ),
    runs=2,
    toolchain="tested",
    lock="5f",
    date="2026-11-24",
)

DEFAULT = ProgramOptions()


def key(
    program: OpenProgram,
    folder: Path,
    config: dict[str, Any] | None = None,
    options: ProgramOptions = DEFAULT,
) -> str:
    """Return a program's certificate key; "" if its weights differ from the checkpoint's."""
    with TensorFile.open(block.original(folder).weights) as tensors:
        accounted = audit(program.function, program.storage, tensors)
    return digests_of(program, "block", accounted, config or CONFIG, options).key


def broken(mutation: Mutation) -> OpenProgram:
    graph = block.program()
    mutation(graph)
    return block.opened(graph)


def unchanged(_: Graph) -> None:
    """Change nothing."""


@pytest.mark.parametrize("name", [*CAUGHT, *INVISIBLE])
def test_a_certificate_cannot_cover_a_changed_graph(tmp_path: Path, name: str) -> None:
    mutation = {**CAUGHT, **INVISIBLE}[name]
    assert key(broken(mutation), tmp_path) != key(broken(unchanged), tmp_path)


def test_the_key_is_the_same_every_time_and_a_full_check_names_it(tmp_path: Path) -> None:
    first, second = (key(broken(unchanged), tmp_path) for _ in range(2))
    assert first == second
    original = replace(block.original(tmp_path), config=CONFIG)
    assert check_program(broken(unchanged), original, QUICK).key == first


def test_the_order_of_operations_and_the_names_of_values_carry_no_meaning(tmp_path: Path) -> None:
    def rearrange(graph: Graph) -> None:
        def renamed(name: Any) -> Any:
            return "renamed" if name == "q_heads" else name

        for place, item in enumerate(graph.operations):
            inputs = {key: tuple(map(renamed, bindings)) for key, bindings in item.inputs.items()}
            outputs = tuple(replace(out, name=renamed(out.name)) for out in item.outputs)
            graph.operations[place] = replace(item, inputs=inputs, outputs=outputs)
        weights = [item for item in graph.operations if item.type == "const"]
        others = [item for item in graph.operations if item.type != "const"]
        graph.operations[:] = [*reversed(weights), *others]

    assert key(broken(rearrange), tmp_path) == key(broken(unchanged), tmp_path)


def test_a_port_of_another_name_is_another_graph(tmp_path: Path) -> None:
    def rename(graph: Graph) -> None:
        put(
            graph,
            "y",
            replace(find(graph, "y"), outputs=(replace(find(graph, "y").outputs[0], name="z"),)),
        )

    graph = block.program()
    rename(graph)
    function = graph.function("z")
    program = replace(block.opened(block.program()), function=function, storage=graph.storage)
    assert key(program, tmp_path) != key(broken(unchanged), tmp_path)


def test_a_weight_stored_in_the_operation_s_argument_counts_as_one_of_its_own(
    tmp_path: Path,
) -> None:
    """Moving a constant from an argument to a `const` does not change the key."""

    def named(graph: Graph) -> None:
        value = find(graph, "scaled").inputs["y"][0]
        assert isinstance(value, Value)
        kind = NamedType(name="quarter", type=value.type)
        constant = Operation(type="const", inputs={}, outputs=(kind,), attributes={"val": value})
        graph.operations.insert(0, constant)
        argument("scaled", y=Ref("quarter"))(graph)

    assert key(broken(named), tmp_path) == key(broken(unchanged), tmp_path)


def test_another_checkpoint_with_the_same_graph_has_the_same_key(tmp_path: Path) -> None:
    torch.manual_seed(99)
    others = {name: torch.randn_like(tensor) for name, tensor in block.tensors().items()}
    weights = tmp_path / "other.safetensors"
    save_file(others, weights)
    program = block.opened(block.program(others))
    with TensorFile.open(weights) as tensors:
        accounted = audit(program.function, program.storage, tensors)
    other = digests_of(program, "block", accounted, CONFIG, DEFAULT).key
    assert other == key(broken(unchanged), tmp_path)


def test_a_weight_that_cannot_be_proved_by_name_counts_by_its_content(tmp_path: Path) -> None:
    def rename(graph: Graph) -> None:
        first = graph.operations[0]
        graph.operations[0] = replace(first, outputs=(replace(first.outputs[0], name="const_0"),))

    def use(graph: Graph) -> None:
        rename(graph)
        argument("norm", gamma=Ref("const_0"))(graph)

    assert key(broken(use), tmp_path) != key(broken(unchanged), tmp_path)
    assert check_program(broken(use), block.original(tmp_path), QUICK).passed


def with_table(value: float) -> OpenProgram:
    """Return the block with a constant that is not in the checkpoint, filled with `value`."""
    graph = block.program()
    graph.weight("zeros", np.full(block.SHAPE, value, np.float16))
    graph.op("add", {"x": Ref("y"), "y": Ref("zeros")}, (F16, block.SHAPE), name="unused")
    return block.opened(graph)


def test_the_content_of_a_table_counts_although_the_graph_is_the_same(tmp_path: Path) -> None:
    zeros, ones = with_table(0), with_table(1)
    assert zeros.model == ones.model
    assert key(zeros, tmp_path) != key(ones, tmp_path)


@pytest.mark.parametrize(
    "config",
    [{"layers": 1, "heads": 4}, {"layers": 1}, {"layers": 1, "heads": 2, "norm_eps": 1e-6}],
)
def test_another_config_is_another_proof(tmp_path: Path, config: dict[str, Any]) -> None:
    program = broken(unchanged)
    assert key(program, tmp_path, config) != key(program, tmp_path)


def test_options_that_change_what_is_asked_for_count_and_no_others(tmp_path: Path) -> None:
    program = broken(unchanged)
    plain = key(program, tmp_path)
    assert key(program, tmp_path, options=ProgramOptions(prediction=Prediction.VELOCITY)) != plain
    assert key(program, tmp_path, options=ProgramOptions(attention=Attention.ORIGINAL)) == plain


def test_what_a_config_says_of_its_file_does_not_count(tmp_path: Path) -> None:
    program = broken(unchanged)
    more = {**CONFIG, "_diffusers_version": "0.23.1", "transformers_version": "4.34.1"}
    assert key(program, tmp_path, more) == key(program, tmp_path)


def test_the_declared_ports_count_and_what_people_are_told_does_not(tmp_path: Path) -> None:
    program = broken(unchanged)
    port = Feature(name="x", dtype=F16, shape=block.SHAPE)
    ports = replace(program.model.description, inputs=(port,))
    told = replace(program.model.description, metadata=Metadata(author="someone"), raw=b"else")
    plain = key(program, tmp_path)
    assert key(replace(program, model=replace(program.model, description=ports)), tmp_path) != plain
    assert key(replace(program, model=replace(program.model, description=told)), tmp_path) == plain


def test_the_component_counts() -> None:
    unet, controlled = (
        certificate_key("the same graph", component, CONFIG, DEFAULT)
        for component in ("unet", "controlled_unet")
    )
    assert unet != controlled


def test_a_certified_package_needs_only_its_audit(tmp_path: Path) -> None:
    package = write_package(block.program(), "y", tmp_path / "Block.mlpackage")
    original = replace(block.original(tmp_path), config=CONFIG)
    with open_program(package) as program:
        full = check_program(program, original, QUICK)
    certificates = {full.key: replace(CERTIFICATE, key=full.key)}
    arguments = (
        package,
        "block",
        CONFIG,
        original.weights,
        ProgramOptions(attention=Attention.ORIGINAL),
    )
    short = examine(*arguments).certified("block", certificates)
    assert short is not None
    assert short.proof().as_json() == {
        "component": "block",
        "passed": True,
        "runs": 0,
        "graph": full.key,
        "outputs": [],
        "certificate": {
            "toolchain": "tested",
            "lock": "5f",
            "date": "2026-11-24",
            "runs": 2,
            "outputs": to_plain(CERTIFICATE.outputs),
        },
        "audit": to_plain(full.audit.record()),
    }
    assert examine(*arguments).certified("block", {"other": CERTIFICATE}) is None
    save_file({**block.tensors(), "more": torch.ones(2)}, original.weights)
    assert examine(*arguments).certified("block", certificates) is None


def test_certificates_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "certificates.json"
    other = replace(CERTIFICATE, key="bb", title="SD 1.x, ORIGINAL, 512x512")
    save([CERTIFICATE, other], path)
    assert load(path) == {"aa": CERTIFICATE, "bb": other}
    assert [item["key"] for item in json.loads(path.read_text())["certificates"]] == ["bb", "aa"]


def test_no_file_is_no_certificates(tmp_path: Path) -> None:
    assert load(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ('{"schema": 1, "certificates": [{"key": "aa"}]}', "not a certificate file"),
        ('{"schema": 9, "certificates": []}', "schema 9, not 1; update sdcoreml"),
    ],
)
def test_a_damaged_file_is_bad_input(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "certificates.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=reason):
        load(path)


def test_a_certificate_in_one_line() -> None:
    assert CERTIFICATE.summary() == (
        "SD 1.x, SPLIT_EINSUM, 512x512: certified on 2026-11-24 with the toolchain tested:"
        " noise_pred 130.5 dB fp32"
    )


def test_the_certificates_of_the_repository_are_well_formed() -> None:
    assert all(len(certificate.key) == 64 for certificate in load().values())


def test_a_flipped_bit_is_never_certified(tmp_path: Path) -> None:
    def change(content: np.ndarray) -> None:
        content.view(np.uint16)[7] ^= 1

    assert key(broken(weight("out.weight", change)), tmp_path) == ""
