"""The upstream converter's checkout: its commit, its changes, its origin, and what it lacks.

Read with GitPython, or by the git program where there is no GitPython (a bare Python): the facts
are the same. Importing GitPython costs 200 ms, so it waits until there is a checkout to read.
"""

from __future__ import annotations

from pathlib import Path

from sdcoreml.doctor.core.facts import Absent, Checkout, Unknown
from sdcoreml.doctor.gather.environment import without_login
from sdcoreml.doctor.gather.probe import QUIET, Probe, RunResult
from sdcoreml.doctor.gather.tools import developer

VARIABLE = "SDCOREML_UPSTREAM"
_HEAD = ("--verify", "--quiet", "HEAD")


def checkout(folder: str, probe: Probe) -> Checkout | Absent | Unknown:
    """The checkout that an argument, SDCOREML_UPSTREAM or the project's settings name."""
    path = folder or probe.environ.get(VARIABLE, "")
    if not path:
        return Absent(reason=f"no upstream checkout configured ({VARIABLE})")
    if not Path(path).is_dir():
        return Absent(reason=f"{path} is not a folder")
    if probe.system == "Darwin" and not developer(probe):
        # Either way starts git, and on a new Mac that opens a window instead of answering.
        return Unknown(reason="git needs the developer tools (xcode-select --install)")
    try:
        return by_library(path)
    except ImportError:  # GitPython is missing, or it found no git
        return by_program(path, probe)


def by_library(path: str) -> Checkout | Unknown:
    """The facts as GitPython reads them.

    Raises:
        ImportError: GitPython is not installed, or there is no git program for it to call.
    """
    from configparser import Error as ConfigError

    from git import GitCommandError, InvalidGitRepositoryError, Repo

    try:
        with Repo(path) as repository:
            top = repository.working_tree_dir
            if top is None or not Path(top).samefile(path):
                return _no_repository(path)
            repository.git.update_environment(**QUIET)
            remotes = {remote.name: remote for remote in repository.remotes}
            return Checkout(
                path=path,
                repository=True,
                # GitPython's own reader of references does not know the reftable format.
                commit=repository.git.rev_parse(*_HEAD, with_exceptions=False),
                remote=without_login(remotes["origin"].url) if "origin" in remotes else "",
                shallow=Path(repository.common_dir, "shallow").is_file(),
                changed=_parse_status(repository.git.status(porcelain=True)),
            )
    except InvalidGitRepositoryError:
        return _no_repository(path)
    except ConfigError as error:
        return _explain_refusal(path, f"bad config: {error}")
    except GitCommandError as error:
        return _explain_refusal(
            path, str(error.stderr).strip().removeprefix("stderr: ").strip("'\n ")
        )


def by_program(path: str, probe: Probe) -> Checkout | Unknown:
    """The facts as the git program tells them."""

    def ask(*words: str) -> str:
        outcome = probe.run(("git", "-C", path, *words))
        return outcome.out if isinstance(outcome, RunResult) and outcome.code == 0 else ""

    top = probe.run(("git", "-C", path, "rev-parse", "--show-toplevel"))
    if isinstance(top, Unknown):
        return top
    if top.code and Path(path, ".git").exists():
        return _explain_refusal(path, top.err)
    # A folder inside another repository answers too: only its own top level counts.
    if top.code or not Path(top.out).samefile(path):
        return _no_repository(path)
    status = probe.run(("git", "-C", path, "status", "--porcelain"))
    if isinstance(status, Unknown):
        return status
    if status.code:
        return _explain_refusal(path, status.err)
    return Checkout(
        path=path,
        repository=True,
        commit=ask("rev-parse", *_HEAD),
        remote=without_login(ask("remote", "get-url", "origin")),
        shallow=ask("rev-parse", "--is-shallow-repository") == "true",
        changed=_parse_status(status.out),
    )


def _no_repository(path: str) -> Checkout:
    return Checkout(path=path, repository=False, commit="", remote="", shallow=False, changed=())


def _explain_refusal(path: str, complaint: str) -> Unknown:
    """Git knows the repository and will not read it: another user's, or damaged."""
    first = complaint.partition("\n")[0].removeprefix("fatal: ")
    return Unknown(reason=f"git refuses {path}: {first}")


def _parse_status(status: str) -> tuple[str, ...]:
    """The paths in `git status --porcelain`, whose lines begin with two letters."""
    return tuple(line.strip().partition(" ")[2].strip() for line in status.splitlines())
