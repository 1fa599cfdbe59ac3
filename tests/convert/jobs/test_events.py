"""All that a conversion and a verification say on their way, kept whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.jobs.workshop import Workshop
from tests.convert.stand_ins import MADE_IN, StandIn, job_of, write_model
from tests.golden import assert_golden
from tests.listening import Listener

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture
def said(tmp_path: Path) -> Listener:
    return Listener(tmp_path)


@pytest.mark.slow
def test_what_a_conversion_says_the_first_time_and_again(
    tmp_path: Path, said: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.convert.cache.digests._SETTLED", -(10**10))
    cache = Cache(folder=tmp_path / "cache", emit=said)
    shop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, cache=cache)
    model = open_model(write_model(tmp_path / "cat"))
    said.title("two attentions at once, the text encoder and the UNet at 6 bits")
    recipe = {"method": "kmeans", "bits": 6}
    pair = [
        job_of(model, tmp_path / name, name, recipe=recipe) for name in ("ORIGINAL", "SPLIT_EINSUM")
    ]
    convert_models(pair, shop, said)
    said.title("the first of them once more, elsewhere")
    convert_models([replace(pair[0], output=tmp_path / "again")], shop, said)
    said.title("once more, where the older ones were changed meanwhile")
    for path in tmp_path.glob("*/Unet.mlmodelc/model.mil"):
        path.write_bytes(path.read_bytes() + b" ")
    convert_models([replace(pair[0], output=tmp_path / "third")], shop, said)
    assert_golden("events-convert", said.whole())


@pytest.mark.slow
def test_what_a_verification_says(tmp_path: Path, said: Listener) -> None:
    folder = write_model(tmp_path / "cat")
    job = job_of(open_model(folder), tmp_path / "out")
    shop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN)
    (bundle,) = convert_models([job], shop)
    against = Against(model=folder, certificates={})
    said.title("by itself")
    verify(bundle, StandIn(size=SIZE), None, said)
    said.title("against its model")
    verify(bundle, StandIn(size=SIZE), against, said)
    said.title("against its model, fast")
    verify(bundle, StandIn(size=SIZE), replace(against, fast=True), said)
    recipe = {"method": "kmeans", "bits": 6}
    (small,) = convert_models([job_of(open_model(folder), tmp_path / "small", recipe=recipe)], shop)
    said.title("of 6 bits, against its model")
    verify(small, StandIn(size=SIZE), against, said)
    assert_golden("events-verify", said.whole())
