from __future__ import annotations

from dataclasses import replace

from sdcoreml.convert.certificates.digest import graph_digest
from sdcoreml.convert.parity.drawn import draw_without_weights, find_strange
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.doctor.proving.miniature import CONFIGS as SAMPLE

OPTIONS = ProgramOptions(height=8, width=8, attention=Attention.SPLIT_EINSUM)


def test_a_graph_is_the_one_that_is_drawn_for_its_options_alone() -> None:
    drawn = draw_without_weights("vae_decoder", SAMPLE["vae"], OPTIONS)
    graph = graph_digest(drawn.program, drawn.placed)
    subject = (graph, "vae_decoder", SAMPLE["vae"])
    assert find_strange(*subject, OPTIONS) == ""
    other = replace(OPTIONS, runtime_scale=0.5)
    assert "not the one that is drawn" in find_strange(*subject, other)
