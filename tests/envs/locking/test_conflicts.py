from __future__ import annotations

import pytest

from sdcoreml.envs.locking.conflicts import (
    explain_conflict,
    find_needs,
    find_yanked,
    why_refused,
)
from sdcoreml.envs.processes.process import ProcessResult
from sdcoreml.ground.errors import InstallError, UnreachableError

PINS = {"tokenizers": "0.14.1", "transformers": "4.44.2", "torch": "2.4.0"}
HEAD = "error: No solution found when resolving dependencies\n  cause: Because "
TAIL = ", we can conclude that your requirements are unsatisfiable.\n"


def explain(words: str) -> str:
    done = ProcessResult(code=1, out="", err=words)
    error = explain_conflict(done, PINS, "osx", "3.10.10")
    assert type(error) is InstallError
    return str(error)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (
                "transformers==4.44.2 depends on tokenizers>=0.19,<0.20 and you require"
                " transformers==4.44.2, we can conclude that you require tokenizers>=0.19,<0.20.\n"
                "         And because you require tokenizers==0.14.1"
            ),
            (
                "osx: transformers 4.44.2 needs tokenizers>=0.19,<0.20, and tokenizers 0.14.1"
                " is pinned; set other versions, or drop a pin: --drop tokenizers"
            ),
        ),
        (
            (
                "tokenizers==0.14.1 depends on huggingface-hub>=0.16.4,<0.18 and diffusers==0.30.3"
                " depends on huggingface-hub>=0.23.2, we can conclude that these are incompatible"
            ),
            (
                "osx: tokenizers 0.14.1 needs huggingface-hub>=0.16.4,<0.18, diffusers 0.30.3 needs"
                " huggingface-hub>=0.23.2; set other versions, or drop a pin: --drop tokenizers"
            ),
        ),
        (
            (
                "torch==2.4.0 has no wheels with a matching platform tag (`macosx_13_0`)"
                " and you require torch==2.4.0"
            ),
            (
                "torch 2.4.0 has no wheel for osx; set another version: --set torch==VERSION,"
                " or name only the targets that have one with --target"
            ),
        ),
        (
            "scipy==1.16.0 has no usable wheels and you require scipy==1.16.0",
            (
                "scipy 1.16.0 has no wheel for osx and Python 3.10.10; set another version:"
                " --set scipy==VERSION, or name only the targets that have one with --target"
            ),
        ),
        (
            (
                "the requested Python version (>=3.10.10) does not satisfy Python>=3.11 and"
                " scipy==1.16.0 depends on Python>=3.11, we can conclude that scipy==1.16.0 cannot"
            ),
            (
                "osx: scipy 1.16.0 needs Python >=3.11, and this is 3.10.10; give another"
                " --python, or another version: --set scipy==VERSION"
            ),
        ),
        (
            "there is no version of numpy==9.9 and you require numpy==9.9",
            ("osx: there is no numpy 9.9; set a version that there is: --set numpy==VERSION"),
        ),
        (
            "nosuch was not found in the package registry and you require nosuch==1.0",
            (
                "osx: the package index has no nosuch; correct the name, or name the index"
                " that has it with --index URL"
            ),
        ),
        (
            "torch>=1.0 was published after the exclude newer time and you require torch==2.4.0",
            (
                "osx: torch 2.4.0 is newer than the toolchain allows; set an older one, or"
                " give the reason for this one: --except torch=REASON"
            ),
        ),
        (
            "you require one thing and another",
            (
                "osx: the pins fit no resolution: Because you require one thing and another,"
                " we can conclude that your requirements are unsatisfiable.; set other versions"
            ),
        ),
    ],
)
def test_a_failed_resolution_is_one_sentence(words: str, said: str) -> None:
    assert explain(HEAD + words + TAIL) == said


def test_the_day_of_what_is_too_new_is_said() -> None:
    hint = (
        "\nhint: `torch` was filtered by `exclude-newer` to only include packages uploaded before"
        " 2022-01-02T00:00:00Z. The requested version, v2.2.0, was published at"
        " 2024-01-30T17:28:30.325Z.\n"
    )
    words = HEAD + "there is no version of torch==2.2.0 and you require torch==2.2.0" + TAIL + hint
    assert explain(words).startswith("osx: torch 2.2.0 is of 2024-01-30, newer than")


def test_what_is_no_conflict_keeps_its_reason() -> None:
    done = ProcessResult(code=2, out="", err="error: dns error")
    assert isinstance(explain_conflict(done, PINS, "osx", "3.10.10"), UnreachableError)


def test_the_needs_of_one_project_are_found() -> None:
    words = (
        "a==1.0 depends on b[x]>=2,<3 and c>=2 depends on d and e==1 depends on Python>=3.11"
        " and all versions of f depend on g{platform_machine == 'x86_64'}==9"
    )
    assert [str(need) for need in find_needs(words)] == [
        "a 1.0 needs b>=2,<3",
        "c>=2 needs d",
        "f needs g==9",
    ]
    assert [need.what for need in find_needs(words, "d")] == ["d"]


def test_why_one_version_was_refused() -> None:
    def why(words: str, code: int = 1) -> str:
        done = ProcessResult(code=code, out="", err=words)
        return why_refused(done, "tokenizers", PINS, "osx", "3.10.10")

    assert why("Resolved 3 packages", 0) == ""
    assert why(f"{HEAD}a==1 depends on tokenizers>=2 and b==1 depends on tokenizers>=3{TAIL}") == (
        "a 1 needs tokenizers>=2, b 1 needs tokenizers>=3"
    )
    newer = "tokenizers>=0.1 was published after the exclude newer time and you require it"
    assert why(HEAD + newer + TAIL) == "tokenizers 0.14.1 is newer than the toolchain allows"


def test_a_failed_network_is_no_reason_of_a_version_s() -> None:
    done = ProcessResult(code=2, out="", err="error: dns error")
    with pytest.raises(UnreachableError):
        why_refused(done, "tokenizers", PINS, "osx", "3.10.10")


def test_withdrawn_versions_are_found() -> None:
    words = (
        'Resolved 2 packages\nwarning: `attrs==21.1.0` is yanked (reason: "Not importable.")\n'
        "warning: `two==1.0` is yanked\n"
    )
    assert tuple(find_yanked(words)) == (
        "attrs 21.1.0 was withdrawn by its maintainers: Not importable.",
        "two 1.0 was withdrawn by its maintainers",
    )
