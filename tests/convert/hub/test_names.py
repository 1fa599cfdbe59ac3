"""Model arguments: paths, names on the hub, URLs and plain words are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.hub.names import (
    HUB_HOSTS,
    CivitaiName,
    FileAddress,
    HubName,
    ModelName,
    PlainWord,
    parse_model,
)
from sdcoreml.ground.errors import UsageError

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("owner/name", HubName(repo="owner/name")),
        ("owner/name@fp16", HubName(repo="owner/name", revision="fp16")),
        (f"owner/na.me-1@{SHA}", HubName(repo="owner/na.me-1", revision=SHA)),
        ("owner/name@refs/pr/3", HubName(repo="owner/name", revision="refs/pr/3")),
        ("hf:owner/name", HubName(repo="owner/name")),
        ("hf://owner/name@v1", HubName(repo="owner/name", revision="v1")),
        ("hf:owner/name/a/b.ckpt", HubName(repo="owner/name", file="a/b.ckpt")),
        ("hf:o/n/b.ckpt@v1", HubName(repo="o/n", file="b.ckpt", revision="v1")),
        ("https://huggingface.co/owner/name", HubName(repo="owner/name")),
        ("https://huggingface.co/owner/name/", HubName(repo="owner/name")),
        ("https://www.civitai.com/api/download/models/7", CivitaiName(version="7")),
        ("https://hf.co/owner/name/tree/main", HubName(repo="owner/name", revision="main")),
        (
            "https://huggingface.co/owner/name/blob/v1/a/b.safetensors",
            HubName(repo="owner/name", revision="v1", file="a/b.safetensors"),
        ),
        (
            "https://huggingface.co/owner/name/resolve/main/b.ckpt?download=true",
            HubName(repo="owner/name", revision="main", file="b.ckpt"),
        ),
        ("https://mirror.invalid/owner/name", HubName(repo="owner/name")),
        ("civitai:128713", CivitaiName(version="128713")),
        ("civitai:4384@128713", CivitaiName(version="128713")),
        (
            "https://civitai.com/models/4384/dreamshaper?modelVersionId=128713",
            CivitaiName(version="128713"),
        ),
        ("https://civitai.com/api/download/models/128713", CivitaiName(version="128713")),
        ("https://a.invalid/x.safetensors", FileAddress(url="https://a.invalid/x.safetensors")),
        ("http://127.0.0.1:8000/x.ckpt", FileAddress(url="http://127.0.0.1:8000/x.ckpt")),
        ("dreamshaper", PlainWord(word="dreamshaper")),
        ("DreamShaper 8 (pruned)", PlainWord(word="DreamShaper 8 (pruned)")),
        ("/not/there", Path("/not/there")),
        ("not/there/at/all", Path("not/there/at/all")),
        ("owner/name.safetensors", Path("owner/name.safetensors")),
        ("./owner/name", Path("owner/name")),
        ("model.ckpt", Path("model.ckpt")),
        ("hf:", Path("hf:")),
    ],
)
def test_what_a_text_means(
    text: str, name: Path | ModelName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = {"huggingface.co", "hf.co", "mirror.invalid"}
    assert parse_model(text, hosts) == name


def test_a_name_that_is_also_a_path_is_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner/name").mkdir(parents=True)
    (tmp_path / "word").touch()
    (tmp_path / "lost").symlink_to("nowhere")
    for text in ("owner/name", "word", "lost"):
        assert parse_model(text) == Path(text)
    assert parse_model("owner/nme") == Path("owner/nme"), "a slip in a path asks nobody"
    assert parse_model("hf:owner/nme") == HubName(repo="owner/nme")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hf:name", "is not a name on the hub; give it as owner/name"),
        ("hf:owner/name@../../x", "is not a name on the hub"),
        ("hf:owner/name/../../x.ckpt", "is not a name on the hub"),
        ("https://huggingface.co/owner", "is not the address of a model"),
        ("https://huggingface.co/datasets/a/b", "is not the address of a model"),
        ("civitai:dreamshaper", "is not a version number"),
        ("https://civitai.com/models/4384", "does not say which version"),
        ("http://me:secret@a.invalid/x", "over http could be tampered with"),
    ],
)
def test_what_is_nothing_of_these_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse_model(text)
    assert "secret" not in str(caught.value)


def test_names_are_shown_as_they_are_given() -> None:
    assert str(HubName(repo="a/b", revision="v1", file="c.ckpt")) == "a/b/c.ckpt@v1"
    assert str(CivitaiName(version="7")) == "civitai:7"
    assert str(PlainWord(word="dreamshaper")) == "dreamshaper"
    assert str(FileAddress(url="https://a.invalid/x?token=abc")) == "https://a.invalid/x?token=****"
    assert FileAddress(url="https://a.invalid/a%20b.ckpt?x=/y").file == "a b.ckpt"


@pytest.mark.parametrize("host", ["huggingface.co", "hf.co", "www.huggingface.co"])
def test_the_hub_s_own_hosts(host: str) -> None:
    assert parse_model(f"https://{host}/owner/name", HUB_HOSTS) == HubName(repo="owner/name")
