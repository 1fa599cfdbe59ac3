"""Shrinks a package's program to a small image: same graph and weights, much less work.

Running a UNet for one image of 512x512 costs as much as for a dozen of 128x192. The builder draws
the same graph for every size. So if a package has, operation for operation, the graph that the
builder draws for its size, running that graph for a small image with the package's weights proves
as much. Otherwise the full program is run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sdcoreml.convert.certificates.digest import graph_digest
from sdcoreml.convert.parity.drawn import Drawing, draw_without_weights
from sdcoreml.convert.programs.attention import PIECE
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.spec.model import Operation
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.convert.storage.pair import Storages, in_second
from sdcoreml.ground.codec import read_field
from sdcoreml.ground.errors import UnsupportedError


def miniature(
    program: OpenProgram,
    component: str,
    accounted: Audit,
    config: Mapping[str, object],
    options: ProgramOptions,
) -> OpenProgram | None:
    """Return the program for a small image; `None` if it has no image size or another graph.

    Args:
        program: an open package, or both halves of one.
        component: the name of the component that it was made from.
        accounted: the audit of its weights.
        config: the component's config.json.
        options: the options that the program was built with.
    """
    size = small_size(config, options)
    if size is None or options.height is None or options.width is None:
        return None
    height, width = size
    if height * width >= options.height * options.width:
        return None
    try:
        full = draw_without_weights(component, config, options)
        if graph_digest(full.program, full.placed) != graph_digest(program, accounted.placed):
            return None
        small = draw_without_weights(
            component, config, replace(options, height=height, width=width)
        )
    except UnsupportedError:
        return None
    return fill_weights(small, program, accounted.placed)


def small_size(config: Mapping[str, object], options: ProgramOptions) -> tuple[int, int] | None:
    """Choose a small latent height and width, not square; `None` if the config has no levels.

    The smallest level is at least two positions high. If attention processes its queries in pieces,
    the first level with attention has enough queries for a whole piece and part of another.
    """
    channels = read_field(config, "block_out_channels", tuple[int, ...], ())
    if not channels:
        return None
    unit = 2 ** len(channels)
    kinds = read_field(config, "down_block_types", tuple[str, ...], ())
    first = next((place for place, kind in enumerate(kinds) if "CrossAttn" in kind), 0)
    wanted = PIECE if options.attention is Attention.SPLIT_EINSUM_V2 else 0
    times = next(n for n in itertools.count(1) if 1.5 * (n * unit >> first) ** 2 > wanted)
    return times * unit, times * unit * 3 // 2


def fill_weights(small: Drawing, program: OpenProgram, placed: Mapping[str, str]) -> OpenProgram:
    """Return the drawn program with the package's weights, compressed or not."""
    stored = {item.outputs[0].name: item for item in program.function.block.operations}
    holders = {word: stored[name] for name, word in placed.items()}
    operations: list[Operation] = []
    for item in small.program.function.block.operations:
        word = small.placed.get(item.outputs[0].name)
        if word is None:
            operations.append(item)
            continue
        holder = holders[word]
        operations += (_of_package(part) for part in _parts(holder, stored))
        operations.append(replace(_of_package(holder), outputs=item.outputs))
    function = small.program.function
    return replace(
        small.program,
        path=program.path,
        function=function.with_operations(operations),
        storage=Storages(first=small.program.storage, second=program.storage),
    )


def _of_package(item: Operation) -> Operation:
    """Mark a constant to be read from the package, which may itself be a pair of halves."""
    return replace(item, attributes={key: in_second(it) for key, it in item.attributes.items()})


def _parts(holder: Operation, stored: Mapping[str, Operation]) -> Iterator[Operation]:
    """Return the `const` operations that a compressed weight takes as arguments."""
    return (stored[name] for name in holder.reads)
