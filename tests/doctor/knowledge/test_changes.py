"""What history.toml knows of a name says who is too old or too new, Python too."""

from __future__ import annotations

from sdcoreml.doctor.knowledge.changes import find_python, tell_history


def test_of_python_only_what_history_knows_is_told() -> None:
    assert find_python("enum", "StrEnum") == "python"
    assert not find_python("enum", "frob")
    told = tell_history("python", "frob", "cache", "functools")
    assert (
        told["skew"] == "Python is too old: it has functools.cache since 3.9, and frob asks for it"
    )
    assert told["fails"] == "<3.9"
    assert told["tested"].startswith("`sdcoreml env`")
    assert tell_history("python", "", "override", "typing")["tested"] == "Use"
    assert tell_history("python", "", "frob", "typing") == {}


def test_of_other_projects_it_is_told_since_or_until_when_they_have_a_name() -> None:
    new = tell_history("setuptools", "frob", "packaging", "pkg_resources")
    assert new["skew"] == "setuptools is too new: 70 removed packaging, which frob asks for"
    assert (new["cure"], new["fails"]) == ("setuptools before 70", ">=70")
    old = tell_history("typing-extensions", "", "deprecated", "typing_extensions")
    assert old["cure"] == "typing-extensions 4.5 or newer"
    again = tell_history("transformers", "diffusers", "offload_state_dict", "")
    assert "4.57.1 has it again" in again["skew"]
    assert again["fails"] == ">=4.57,<4.57.1"
