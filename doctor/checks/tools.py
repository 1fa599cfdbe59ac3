"""Checks of git, the upstream converter's checkout, Xcode and access to the hub."""

from __future__ import annotations

import re

from sdcoreml.doctor.checks.pins import list_some
from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info, ok, warning
from sdcoreml.doctor.core.facts import (
    EnvironmentFacts,
    Goal,
    ToolchainFacts,
)
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.doctor.core.tools import Checkout, Git, Hub, XcodeFacts

_SHORT = 12
_NAMED = re.compile(r"(hf|civitai|https?):.+")
"""The form of a model's name that the command line did not replace by a path."""
UNDECLARED = ("diffusionkit", "omegaconf", "python-coreml-stable-diffusion")
"""Packages that the upstream converter imports but its setup.py does not list (at c891f43)."""


@check("GIT001", CheckFamily.GIT)
def git_present(git: Git | None = None) -> Findings:
    """Git is installed.

    It is needed for the upstream checkout and for models that are git repositories. On a new Mac
    /usr/bin/git is a stub until the Command Line Tools are installed.
    """
    if git is None:
        yield warning(
            "git is not installed",
            why="The upstream converter at its tested commit cannot be fetched or examined.",
            fix=Fix("macOS: xcode-select --install; Debian: apt install git"),
        )
    else:
        yield ok(f"git {git.version}" + (", LFS" if git.lfs else ""))


@check("GIT008", CheckFamily.GIT)
def lfs_present(model: ModelFolder, git: Git) -> Findings:
    """Git LFS is installed where the model needs it.

    Without it, the clone of a model's repository holds pointers in place of weights.
    """
    files = [file for part in model.components for file in part.weights]
    if not git.lfs and any(file.kind == "lfs-pointer" for file in files):
        yield error(
            "git-lfs is not installed, and the model's weights are pointers",
            why="git lfs pull is what turns them into weights.",
            fix=Fix("macOS: brew install git-lfs; Debian: apt install git-lfs"),
        )


@check("GIT002", CheckFamily.GIT)
def checkout_is_repository(checkout: Checkout) -> Findings:
    """The upstream checkout is a git repository.

    Only a repository can say which commit it is at; a downloaded archive cannot.
    """
    if not checkout.repository:
        yield error(
            f"{checkout.path} is not a git repository",
            why="Which version of the converter it holds cannot be established.",
            fix=Fix("clone the upstream repository instead of downloading an archive"),
        )


@check("GIT003", CheckFamily.GIT)
def checkout_commit(toolchain: ToolchainFacts, checkout: Checkout | None = None) -> Findings:
    """The upstream checkout is at the tested commit, or is not needed.

    sdcoreml converts by itself. `sdcoreml env upstream` obtains Apple's converter at its tested
    commit, and so does `sdcoreml convert MODEL --converter upstream`; every file of it is examined,
    and git runs in no checkout for that. Later commits of apple/ml-stable-diffusion change options
    and need other pins.
    """
    if checkout is None:
        yield ok("no upstream checkout, not needed unless --backend upstream")
        return
    if not checkout.repository:
        return
    if checkout.commit == toolchain.commit:
        yield ok(f"upstream at {toolchain.commit[:_SHORT]}")
        return
    yield error(
        f"the upstream checkout is at {checkout.commit[:_SHORT] or 'no commit'}, "
        f"tested is {toolchain.commit[:_SHORT]}",
        why="Other commits have other options and need other versions of the pins.",
        fix=Fix(
            "check out the tested commit",
            commands=(
                ("git", "-C", checkout.path, "fetch", "origin", toolchain.commit),
                ("git", "-C", checkout.path, "checkout", "--detach", toolchain.commit),
            ),
        ),
        evidence={"found": checkout.commit, "tested": toolchain.commit},
    )


@check("GIT004", CheckFamily.GIT)
def checkout_clean(checkout: Checkout) -> Findings:
    """The upstream checkout has no local changes.

    With changed files, the commit no longer says what runs.
    """
    if checkout.changed:
        own = f"see them with git -C {checkout.path} diff; commit or discard them"
        yield error(
            f"the upstream checkout has changes: {list_some(checkout.changed)}",
            why="What runs is then not the tested commit, whatever its name.",
            fix=Fix("repair it", commands=(("make", "upstream"),), safe=True)
            if checkout.kept
            else Fix(own),
        )


@check("GIT005", CheckFamily.GIT)
def checkout_complete(checkout: Checkout) -> Findings:
    """The upstream checkout has its full history.

    A shallow clone may lack the tested commit. What `sdcoreml env upstream` obtained is that commit
    and no other.
    """
    if checkout.shallow and not checkout.kept:
        yield info(
            "the upstream checkout is shallow",
            why="Another commit cannot be checked out of it without fetching.",
            fix=Fix(
                "fetch the rest",
                # Not for `--fix`: git runs programs that the checkout's configuration names.
                commands=(("git", "-C", checkout.path, "fetch", "--unshallow"),),
            ),
        )


@check("GIT006", CheckFamily.GIT)
def checkout_remote(checkout: Checkout, toolchain: ToolchainFacts) -> Findings:
    """The upstream checkout comes from the tested repository.

    A fork may carry the same commit, so this is only a note.
    """
    if checkout.repository and _slug(checkout.remote) != _slug(toolchain.repository):
        yield info(
            f"the upstream checkout comes from {checkout.remote or 'no remote'}",
            why=f"Tested was {toolchain.repository}; what matters is the commit.",
        )


@check("GIT007", CheckFamily.GIT)
def upstream_imports(checkout: Checkout, environment: EnvironmentFacts) -> Findings:
    """The upstream converter's undeclared dependencies are installed.

    torch2coreml imports diffusionkit even for SD 1.5, and diffusers reads a checkpoint's YAML with
    omegaconf. sdcoreml's own converter needs neither, and `--converter upstream` does
    without them.
    """
    if checkout.kept:
        return
    missing = [name for name in UNDECLARED if name not in environment.installed]
    if missing:
        yield info(
            f"the upstream converter would not start: {', '.join(missing)} not installed",
            why=f"{checkout.path} imports them; sdcoreml's own converter does not.",
        )


def _slug(url: str) -> str:
    """Return `owner/name` from a repository's URL in any spelling."""
    parts = url.removesuffix("/").removesuffix(".git").replace(":", "/").split("/")
    return "/".join(parts[-2:]).casefold()


@check("XCO001", CheckFamily.XCODE)
def compiler_present(xcode: XcodeFacts) -> Findings:
    """Xcode's coremlcompiler can be run.

    The upstream converter calls it to turn each .mlpackage into the .mlmodelc that Swift apps load.
    It comes with the full Xcode, not with the Command Line Tools, and does not run until Xcode's
    licence is accepted. sdcoreml does not need it: it has its own compiler, and compares the two
    when you ask it to (`sdcoreml compile --with-xcode PACKAGE --output FOLDER`).
    """
    if xcode.compiler:
        yield ok("coremlcompiler found")
        return
    yield info(
        f"coremlcompiler cannot be run: {xcode.complaint or 'xcrun does not find it'}",
        why="Not needed here; the upstream converter stops without it, at its last step.",
        fix=_cure(xcode),
    )


def _cure(xcode: XcodeFacts) -> Fix:
    """Return the fix for xcrun's error message."""
    if "license" in xcode.complaint.lower():
        return Fix("accept the licence", commands=(("sudo", "xcodebuild", "-license", "accept"),))
    if xcode.others:
        directory = f"{xcode.others[0]}/Contents/Developer"
        return Fix(
            "select the Xcode that is installed",
            commands=(("sudo", "xcode-select", "--switch", directory),),
        )
    return Fix("install Xcode itself (not only its Command Line Tools) and open it once")


@check("XCO002", CheckFamily.XCODE)
def developer_directory(xcode: XcodeFacts) -> Findings:
    """The selected developer directory is a full Xcode.

    After a macOS upgrade, or after Xcode was moved, the selected directory may be gone. While the
    Command Line Tools are selected, coremlcompiler is not found even though Xcode is installed.
    """
    if not xcode.developer:
        yield warning(
            "no developer directory is selected",
            why="xcrun and git stop with an error until one is.",
            fix=_cure(xcode),
        )
    elif "CommandLineTools" in xcode.developer and xcode.others and not xcode.compiler:
        yield info(
            f"selected are the Command Line Tools, although {xcode.others[0]} is installed",
            why="coremlcompiler, which the upstream converter calls, is in the full Xcode alone.",
            fix=_cure(xcode),
        )


@check("HUB001", CheckFamily.HUB)
def downloads_complete(hub: Hub) -> Findings:
    """No download in the Hugging Face cache was interrupted.

    A blob that ends in .incomplete means that its snapshot lacks a file; a later run then stops
    with "no file named ...".
    """
    if hub.incomplete:
        yield info(
            f"interrupted downloads in the hub's cache: {list_some(hub.incomplete)}",
            why="Those models lack a file; loading them by name fails with 'no file named'.",
            fix=Fix("download those models again: that resumes where it stopped"),
            where=hub.cache,
        )


@check("HUB003", CheckFamily.HUB)
def certificates_found(hub: Hub) -> Findings:
    """This Python finds trusted certificates.

    python.org's Python for macOS has none until Install Certificates.command is run. Until then
    every download fails with CERTIFICATE_VERIFY_FAILED, which diffusers reports as something else.
    """
    if not hub.roots:
        yield warning(
            "this Python finds no certificates to trust",
            why="Every download fails; diffusers then speaks of local_files_only instead.",
            fix=Fix("run Install Certificates.command, or set SSL_CERT_FILE to a bundle"),
        )


@check("HUB004", CheckFamily.HUB)
def model_is_local(goal: Goal, model: ModelFolder) -> Findings:
    """A model that is only named can be looked at.

    What it is comes from the hub's listing and the headers of its files, which takes a network, and
    sometimes accepted terms and a token. And names vanish, as runwayml's did in August 2024.
    """
    if model.kind != "missing" or not _NAMED.fullmatch(goal.model):
        return
    dead = (
        " (runwayml removed its models in August 2024)"
        if goal.model.startswith("hf:runway")
        else ""
    )
    yield error(
        f"{goal.model} is not on this machine, and could not be examined remotely{dead}",
        why="What it is comes from the hub's listing and the headers of its files.",
        fix=Fix("see the message printed at the start, or give a local folder or file"),
    )


@check("HUB005", CheckFamily.HUB)
def mirrors_in_force(hub: Hub) -> Findings:
    """The mirrors in use, and the settings that choose them.

    A command-line option takes precedence over environment variables (UV_DEFAULT_INDEX,
    UV_INDEX_URL, PIP_INDEX_URL, SDCOREML_CHANNEL, HF_ENDPOINT), and these over config.toml in the
    user's configuration folder: [index], [channel], [hub] and [civitai], each with a url. Files
    from a mirror are checked by their hashes.
    """
    if hub.mirror_fault:
        yield warning(
            hub.mirror_fault,
            why="Every download stops with this error.",
            fix=Fix("correct the setting, or remove it to use the default servers"),
        )
    for mirror in hub.mirrors:
        yield info(
            f"in place of the usual server: {mirror}",
            why="Files come from there; their hashes are those that were locked or published.",
        )


@check("HUB002", CheckFamily.HUB)
def hub_summary(hub: Hub) -> Findings:
    """How the hub would be reached: token, offline switches, proxies.

    Files that are here need none of these. A model that is named does, with a token where its
    authors or the hub ask for one; the upstream converter asks even for public models. The doctor
    never reads the token itself.
    """
    parts = ["token stored" if hub.token else "no token"]
    parts += [f"offline by {name}" for name in hub.offline]
    parts += [f"proxy by {name}" for name in hub.proxies[:1]]
    parts += [f"certificates by {name}" for name in hub.certificates[:1]]
    yield ok(", ".join(parts))
