"""Checks of the operating system, processor and memory."""

from __future__ import annotations

from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info, ok, warning
from sdcoreml.doctor.core.estimate import estimate_memory
from sdcoreml.doctor.core.facts import Goal, Memory, System, ToolchainFacts
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.versions import satisfies

OLDEST_MACOS = "13.1"
"""The oldest macOS that runs programs of apple/ml-stable-diffusion c891f43 (its README)."""

BROKEN_TEXT_ENCODER_MACOS = ">=27.2"
"""macOS versions whose GPU crashes on 3-D attention in a text encoder (MochiDiffusion#521)."""

GB = 10**9


@check("SYS001", CheckFamily.SYSTEM)
def platform_supported(system: System, toolchain: ToolchainFacts) -> Findings:
    """The toolchain has a lock for this machine.

    Every supported target has a lock, which names each wheel and its hash. A target is refused when
    a package has no wheel for it: a build from source fails late, or, with coremltools, succeeds
    without its native code and fails at the last step.
    """
    reason = toolchain.refused.get(system.target)
    if reason:
        yield error(
            f"{system.target} is not supported: {reason}",
            why="Without a wheel it installs without native code and fails at the last step.",
            fix=Fix(f"use one of: {', '.join(toolchain.targets)}"),
        )
    elif system.target not in toolchain.targets:
        yield error(
            f"there is no lock for {system.target}",
            why="Nothing is installed that was not resolved for this kind of machine.",
            fix=Fix(f"use one of: {', '.join(toolchain.targets)}"),
        )
    else:
        processor = system.processor or system.machine
        cores = "1 core" if system.cores == 1 else f"{system.cores} cores"
        yield ok(f"{system.name} {system.version}, {processor}, {cores}")


@check("SYS002", CheckFamily.SYSTEM)
def native_processor(system: System) -> Findings:
    """Python runs natively, not under Rosetta 2.

    An Intel Python on Apple silicon gets Intel wheels: torch ends at 2.2.2, mlx has none, and code
    with AVX instructions stops with "illegal hardware instruction". The cause is usually an
    Intel Homebrew or conda, or a terminal opened with Rosetta.
    """
    if system.translated:
        yield error(
            "this Python is an Intel program running under Rosetta 2",
            why="It gets Intel wheels: an older torch, no mlx, and crashes where AVX is expected.",
            fix=Fix("install an arm64 Python (python.org, pyenv, Homebrew), then: `sdcoreml env`"),
        )


@check("SYS003", CheckFamily.SYSTEM)
def macos_version(system: System) -> Findings:
    """This macOS can run the converted models.

    Models are written for macOS 13 (specification 7). macOS 13.1 is the first that runs them well;
    SDXL needs 14. On the 27.2 betas the GPU crashes on text encoders with three-dimensional
    attention; those that sdcoreml writes use four dimensions.
    """
    if system.name != "macOS" or not system.version:
        return
    if not satisfies(system.version, f">={OLDEST_MACOS}"):
        yield warning(
            f"macOS {system.version} is older than {OLDEST_MACOS}",
            why="Conversion works, but this Mac cannot load the result: Core ML is too old for it.",
            fix=Fix("update macOS, or use the result on another Mac"),
        )
    elif satisfies(system.version, BROKEN_TEXT_ENCODER_MACOS):
        yield info(
            f"macOS {system.version} crashes on text encoders made with coremltools before 9.0",
            why="It affects models from elsewhere (CPU & GPU), not those converted here.",
        )


@check("SYS004", CheckFamily.SYSTEM)
def text_encoding(system: System) -> Findings:
    """File names are read as UTF-8.

    In the C or POSIX locale, an older Python reads file names as ASCII and stops at the first
    accent in a path.
    """
    if system.encoding.lower().replace("-", "") != "utf8":
        yield warning(
            f"file names are read as {system.encoding}, not UTF-8",
            why="A path with an accent or another script then fails in the middle of a conversion.",
            fix=Fix("set LC_ALL to a UTF-8 locale, or PYTHONUTF8=1"),
        )


@check("MEM001", CheckFamily.MEMORY)
def enough_memory(
    memory: Memory, toolchain: ToolchainFacts, model: ModelFolder, goal: Goal
) -> Findings:
    """There is memory for the largest component.

    Writing a component takes little memory. Checking it against the pinned module takes the most:
    for libraries, for parameters, and for images of this size. All three were measured for the
    toolchain.
    """
    needed = estimate_memory(model, goal, toolchain)
    have = memory.available + memory.swap_free
    amounts = f"about {amount(needed)} for the largest component, {amount(have)} free with swap"
    if needed > have and needed > memory.total:
        yield error(
            f"not enough memory: {amounts}",
            why="The check of the largest component would be killed by the system after minutes.",
            fix=Fix("use a machine with more memory, or a half-precision copy of the model"),
            evidence={"needed": str(needed), "available": str(have), "total": str(memory.total)},
        )
    elif needed > have:
        yield warning(
            f"memory is short just now: {amounts}",
            why="The conversion would swap, and may be killed.",
            fix=Fix("close other programs first"),
        )


@check("MEM002", CheckFamily.MEMORY)
def memory_summary(memory: Memory) -> Findings:
    """How much memory the machine has."""
    swap = f"{amount(memory.swap_free)} of swap" if memory.swap_total else "no swap"
    yield ok(f"{memory.available / GB:.1f} of {amount(memory.total)} free, {swap}")
