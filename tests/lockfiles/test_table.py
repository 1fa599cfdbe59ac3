from __future__ import annotations

import importlib.util
import sys
import tempfile
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.table import (
    TomlTable,
    _load_bundled,
    quote,
    read_table,
)

PATH = Path("some.toml")
plain = (
    st.text(max_size=8)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.lists(st.text(max_size=3), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


def table(**values: Any) -> TomlTable:
    return TomlTable(path=PATH, values=values)


def test_each_kind_is_read_as_it_stands() -> None:
    read = table(name="x", count=3, share=0.5, listed=["a", "b"], none=[])
    assert read.get("name", str) == "x"
    assert read.get("count", int) == 3
    assert read.get("share", float) == 0.5
    assert read.strings("listed") == ("a", "b")
    assert read.strings("none") == ()
    assert read.strings("absent") == ()
    read.finish()


def test_a_whole_number_serves_as_a_float_and_not_the_other_way() -> None:
    read = table(count=3, share=0.5)
    share = read.get("count", float)
    assert (share, type(share)) == (3.0, float)
    assert read.get("share", int) == 0
    assert read.faults == ["share is 0.5, not a int"]


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        (str, 3, "key is 3, not a str"),
        (int, "3", "key is '3', not a int"),
        (int, True, "key is True, not a int"),
        (float, True, "key is True, not a float"),
        (float, "1.0", "key is '1.0', not a float"),
        (str, ["a"], "key is ['a'], not a str"),
    ],
)
def test_another_kind_is_a_fault_and_a_blank(kind: Any, value: object, fault: str) -> None:
    read = table(key=value)
    assert read.get("key", kind) == kind()
    assert read.faults == [fault]


def test_a_default_stands_in_for_what_is_missing_only() -> None:
    read = table(wrong=3)
    assert read.get("absent", str, "spare") == "spare"
    assert read.get("absent", float, 2.0) == 2.0
    assert read.faults == []
    assert read.get("wrong", str, "spare") == ""
    assert read.get("absent", str) == ""
    assert read.faults == ["wrong is 3, not a str", "absent is missing"]


@pytest.mark.parametrize("value", ["linux-x86_64", 3, ["a", 3], {"a": "b"}, [["a"]]])
def test_a_list_of_strings_is_nothing_else(value: object) -> None:
    read = table(key=value)
    assert read.strings("key") == ()
    assert read.faults == [f"key is {value!r}, not a list of str"]


def test_faults_of_inner_tables_name_their_place_and_are_raised_together() -> None:
    read = table(outer={"inner": {"depth": "deep"}}, other=3)
    assert read.table("outer").table("inner").get("depth", int) == 0
    assert read.table("other").values == {}
    assert read.table("absent").get("key", str) == ""
    with pytest.raises(LockfileError) as caught:
        read.finish()
    assert str(caught.value) == (
        "some.toml: outer.inner.depth is 'deep', not a int; other is 3, not a table;"
        " absent.key is missing; correct it"
    )


@pytest.mark.parametrize("rows", ["x", 3, [1], [{"a": 1}, "x"]])
def test_what_is_no_array_of_tables_is_a_fault(rows: object) -> None:
    read = table(rows=rows)
    assert read.tables("rows") == ()
    assert read.faults == [f"rows is {rows!r}, not a list of tables"]


def test_each_table_of_an_array_names_its_own_place() -> None:
    read = table(rows=[{"a": 1}, {"a": "x"}])
    first, second = read.tables("rows")
    assert (first.get("a", int), second.get("a", int)) == (1, 0)
    assert read.faults == ["rows[1].a is 'x', not a int"]
    assert table().tables("rows") == ()


def test_whole_tables_are_read_by_kind() -> None:
    read = table(names={"a": "1.0", "b": "2"}, rates={"a": 1, "b": 0.5}, bad={"a": 1, "b": "x"})
    assert read.table("names").mapping() == {"a": "1.0", "b": "2"}
    assert read.table("rates").numbers() == {"a": 1.0, "b": 0.5}
    assert read.table("bad").mapping() == {"a": "", "b": "x"}
    assert read.faults == ["bad.a is 1, not a str"]


@given(st.dictionaries(st.sampled_from("abc"), plain), st.sampled_from([str, int, float]))
def test_whatever_stands_there_the_answer_has_the_kind_asked_for(
    values: dict[str, Any], kind: Any
) -> None:
    read = TomlTable(path=PATH, values=values)
    for key in "abc":
        before = len(read.faults)
        answer = read.get(key, kind)
        assert type(answer) is kind
        if len(read.faults) == before:
            assert answer == values[key]


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text('name = "\N{LATIN SMALL LETTER E WITH ACUTE}"\n', encoding="utf-8")
    assert read_table(path).get("name", str) == "\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"name = ", "not valid TOML: .*; correct it"),
        (b"a = 1\na = 2\n", "not valid TOML: .*; correct it"),
        (b"a = " + b"[" * 5000, "not valid TOML: .*; correct it"),
        (b"a" + b".a" * 900 + b" = 1", "tables nested more than 100 deep; correct it"),
        (
            b"a" + b".a" * 5000 + b" = 1",
            "(?:nested more than|more than the allowed) .*; correct it",
        ),
        (b'name = "\xff"\n', "not UTF-8 .*; restore it with git"),
    ],
)
def test_what_is_no_toml_is_one_line(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "some.toml"
    path.write_bytes(data)
    with pytest.raises(LockfileError, match=what) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match="a folder, not a file; restore it with git"):
        read_table(tmp_path)


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make imports of these modules fail."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        if any(name == module or name.startswith(f"{module}.") for module in modules):
            if "." in name:  # as Python does where the package that holds it is not there
                raise ModuleNotFoundError(name)
            return None
        return find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


def test_a_python_without_tomllib_reads_with_what_pip_carries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.toml"
    path.write_text('name = "x"\n')
    without(monkeypatch, "tomllib", "tomli")
    assert read_table(path).get("name", str) == "x"


def test_a_python_without_any_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.toml"
    path.write_text("")
    without(monkeypatch, "tomllib", "tomli", "pip", "ensurepip")
    with pytest.raises(LockfileError, match=r"; use 3\.11, or install tomli"):
        read_table(path)


def test_a_python_without_pip_reads_with_what_ensurepip_would_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "_bundled"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pip-23.0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/_vendor/tomli/__init__.py", "from ._parser import loads\n")
        wheel.writestr("pip/_vendor/tomli/_parser.py", "def loads(text): return {'text': text}\n")
    for name in ("tomli", "tomli._parser"):
        monkeypatch.setitem(sys.modules, name, None)  # so that it is put back after the test
        monkeypatch.delitem(sys.modules, name)
    found = _load_bundled(tmp_path)
    assert found is not None
    assert found.loads("a = 1") == {"text": "a = 1"}
    assert _load_bundled(tmp_path / "elsewhere") is None
    without(monkeypatch, "tomllib", "tomli", "pip")
    others = importlib.util.find_spec
    spec = ModuleSpec("ensurepip", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: spec if name == "ensurepip" else others(name, package),
    )
    path = tmp_path / "some.toml"
    path.write_text("b = 2")
    assert read_table(path).values == {"text": "b = 2"}


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_can_be_written_as_a_string(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.toml"
        path.write_text(f"key = {quote(text)}\n", encoding="utf-8")
        assert read_table(path).get("key", str) == text
