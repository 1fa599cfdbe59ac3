from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.releases import FOLDER, Releases, read_releases

SMALL = Releases(
    versions=("1.0", "1.1", "2.0", "2.1"),
    pythons=(">=3.7", ">=3.7", ">=3.9", ">=3.9"),
    text="""\
1.0>=3.7 1.1 2.0>=3.9 2.1
#p -
 K a f (x
1-3 b
#p.old -2
 =py K .go K<Base helper helper(x
1- K.go(fast
#p.new 2-
 Base .stop (** K K<Base
3- Base.late
""",
)


def versions(some: int) -> list[str]:
    return [one for number, one in enumerate(SMALL.versions) if some >> number & 1]


def test_releases_are_counted_from_the_oldest() -> None:
    assert versions(SMALL.all) == ["1.0", "1.1", "2.0", "2.1"]
    assert (SMALL.first(0b0110), SMALL.last(0b0110)) == ("1.1", "2.0")
    assert versions(SMALL.before(0b0110)) == ["1.0"]
    assert versions(SMALL.after(0b0110)) == ["2.1"]
    assert versions(SMALL.running("3.8")) == ["1.0", "1.1"]


@pytest.mark.parametrize(
    ("version", "near"), [("0.9", []), ("1.0", ["1.0"]), ("1.5", ["1.1"]), ("3", ["2.1"])]
)
def test_a_version_that_was_not_read_is_like_the_one_before(version: str, near: list[str]) -> None:
    assert versions(SMALL.near(version)) == near


def test_modules_have_names() -> None:
    assert versions(SMALL.of_module("p.old")) == ["1.0", "1.1"]
    assert SMALL.of_module("p.none") == 0
    assert SMALL.names("p.none") == {}
    assert {name: versions(some) for name, some in SMALL.names("p.old").items()} == {
        **{name: ["1.0", "1.1"] for name in ("=py", "K", "K.go", "K<Base", "helper", "helper(x")},
        "K.go(fast": ["1.1", "2.0", "2.1"],
    }
    assert set(SMALL.names("p")) == {"K", "a", "f", "f(x", "b"}
    assert set(SMALL.modules_with("K")) == {"p", "p.old", "p.new"}
    assert SMALL.modules_with("go") == {}


@pytest.mark.parametrize(
    ("module", "name", "defines"),
    [("p", "a", True), ("p.old", "K", True), ("p.old", "helper", True), ("p.new", "b", False)],
)
def test_a_name_is_imported_from_a_package_or_from_its_own_file(
    module: str, name: str, *, defines: bool
) -> None:
    assert SMALL.defines(module, name) is defines


def test_classes_have_what_they_inherit() -> None:
    assert versions(SMALL.attribute("K", "go")) == ["1.0", "1.1"]
    assert versions(SMALL.attribute("K", "stop")) == ["2.0", "2.1"]
    assert versions(SMALL.attribute("K", "late")) == ["2.1"]
    assert SMALL.attribute("K", "never") == 0


def test_functions_take_what_they_name_and_whatever_is_given_names_nothing() -> None:
    def told(call: str, name: str) -> tuple[list[str], list[str]]:
        taking, lacking = SMALL.parameter(call, name)
        return versions(taking), versions(lacking)

    assert told("f", "x") == (["1.0", "1.1", "2.0", "2.1"], [])
    assert told("f", "y") == ([], ["1.0", "1.1", "2.0", "2.1"])
    assert told("helper", "x") == (["1.0", "1.1"], [])
    assert told("K.stop", "whatever") == ([], ["2.0", "2.1"])
    assert told("K.stop", "**") == (["2.0", "2.1"], [])
    assert versions(SMALL.of_methods("go", "fast")) == ["1.1", "2.0", "2.1"]
    assert SMALL.of_methods("stop", "fast") == 0


def test_nothing_is_before_or_after_nothing() -> None:
    assert (SMALL.before(0), SMALL.after(0)) == (0, 0)


def test_there_is_no_table_of_a_stranger() -> None:
    assert read_releases("frobnik") is None


@pytest.mark.parametrize(
    ("project", "module", "name", "since", "last"),
    [
        ("diffusers", "diffusers", "ControlNetModel", "0.14.0", ""),
        ("diffusers", "diffusers.utils", "HF_HUB_OFFLINE", "0.12.0", "0.24.0"),
        ("diffusers", "diffusers.models", "unet_2d_condition", "", "0.28.2"),
        ("huggingface-hub", "huggingface_hub", "cached_download", "", "0.25.2"),
        ("huggingface-hub", "huggingface_hub", "split_torch_state_dict_into_shards", "0.21.0", ""),
        ("transformers", "transformers", "CLIPImageProcessor", "4.25.1", ""),
        ("torch", "torch.library", "custom_op", "2.4.0", ""),
        ("torchvision", "torchvision.transforms", "functional_tensor", "", "0.16.0"),
        ("coremltools", "coremltools.converters", "onnx", "", "5.2.0"),
    ],
)
def test_tables_say_what_the_packages_own_notes_say(
    project: str, module: str, name: str, since: str, last: str
) -> None:
    releases = read_releases(project)
    assert releases is not None
    having = releases.names(module)[name]
    assert (releases.first(having) if releases.before(having) else "") == since
    assert (releases.last(having) if releases.after(having) else "") == last


def test_tables_are_small() -> None:
    """They are in the wheel, and one is read as soon as a log asks for a package's name."""
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sum(sizes.values()) < 1_300_000
    assert max(sizes.values()) < 250_000


def test_the_python_of_each_release_is_its_own_or_that_of_the_release_before() -> None:
    table = read_releases("transformers")
    assert table is not None
    assert len(table.pythons) == len(table.versions)
    assert [
        version for version in ("3.8", "3.9") if table.near("4.50.0") & table.running(version)
    ] == ["3.9"]


@pytest.mark.parametrize(
    ("python", "first", "last"),
    [("3.8", "1.4.0", "2.4.0"), ("3.12", "2.2.0", ""), ("3.14", "2.9.0", "")],
)
def test_torch_runs_in_the_pythons_that_it_was_built_for(
    python: str, first: str, last: str
) -> None:
    table = read_releases("torch")
    assert table is not None
    running = table.running(python)
    assert table.first(running) == first
    assert (table.last(running) if table.after(running) else "") == last
