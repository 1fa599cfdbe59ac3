from __future__ import annotations

import json

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.crashes import keep_crashed, read_report
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.reading import read

HEADER = json.dumps({"app_name": "Mochi Diffusion", "bug_type": "309"})
BODY: dict[str, object] = {
    "osVersion": {"train": "macOS 13.4.1", "build": "22F770820d"},
    "exception": {"type": "EXC_BREAKPOINT", "signal": "SIGTRAP"},
    "termination": {"namespace": "SIGNAL", "code": 5, "indicator": "Trace/BPT trap: 5"},
    "asi": {"libswiftCore.dylib": ["StableDiffusion/Unet.swift:89: Fatal error: nil found"]},
    "faultingThread": 1,
    "threads": [
        {"frames": [{"symbol": "ANEServices", "imageIndex": 0}]},
        {"triggered": True, "frames": [{"symbol": "swift_unexpectedError", "imageIndex": 0}]},
    ],
    "usedImages": [{"name": "libswiftCore.dylib"}],
}
SHOWN = """\
Crashed Thread:        1

Exception Type:        EXC_BREAKPOINT (SIGTRAP)

Thread 0:: H11ANEServicesThread
0   libANE.dylib   0x1 ANEServices + 1

Thread 1 Crashed:
0   libomp.dylib   0x1 __kmp_suspend_64 + 48

Thread 1 crashed with ARM Thread State (64-bit):
    x0: 0x01
"""


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line.text for line in lines]


def test_of_a_report_in_json_the_lines_that_macos_shows_are_made() -> None:
    lines = read_report(f"{HEADER}\n{json.dumps(BODY, indent=1)}")
    assert texts(lines) == [
        "OS Version: macOS 13.4.1 (22F770820d)",
        "Exception Type: EXC_BREAKPOINT (SIGTRAP)",
        "Termination Reason: Namespace SIGNAL, Code 5 Trace/BPT trap: 5",
        "StableDiffusion/Unet.swift:89: Fatal error: nil found",
        "Thread 1 Crashed:",
        "0   libswiftCore.dylib   swift_unexpectedError",
    ]
    assert [line.number for line in lines[:2]] == [3, 7], "where the file says so"


@pytest.mark.parametrize(
    "log",
    [
        "",
        "{",
        '{"faultingThread"',
        '{"faultingThread": 7, "threads": 3}',
        '{"faultingThread": -1, "threads": []}',
        '{"faultingThread": -2, "threads": [{"frames": []}]}',
        '{"faultingThread": 0, "threads": []}',
        f'{HEADER}\n{{"faultingThread": 1, "threads": [1, {{"frames": [4]}}], "asi": [2]}}',
        "Thread 1 Crashed:",
    ],
)
def test_what_is_no_report_or_a_damaged_one_is_read_without_complaint(log: str) -> None:
    found = texts(read_report(log))
    assert found[:1] == (["Thread 1 Crashed:"] if '"threads": [1,' in log else [])
    examine(log, entries())


def test_of_a_report_for_people_the_thread_that_crashed_is_kept() -> None:
    kept = texts(keep_crashed(read(SHOWN)))
    assert any("__kmp_suspend" in text for text in kept)
    assert not any("ANEServices" in text or "x0:" in text for text in kept)
    assert "Exception Type:        EXC_BREAKPOINT (SIGTRAP)" in kept


def test_other_logs_are_kept_whole() -> None:
    lines = read("Thread 1: started\nx\n")
    assert keep_crashed(lines) == lines


def test_the_thread_that_crashed_says_more_than_the_signal() -> None:
    cause = examine(SHOWN, entries()).cause
    assert cause is not None
    assert cause.entry.id == "family-two-openmps"


def test_the_app_s_own_words_in_a_report_are_the_cause() -> None:
    cause = examine(f"{HEADER}\n{json.dumps(BODY)}", entries()).cause
    assert cause is not None
    assert cause.entry.id == "family-swift-refusal"


def report(**values: object) -> str:
    """Return a report in JSON that crashed in its first thread."""
    return f"{HEADER}\n{json.dumps({'faultingThread': 0, 'threads': [{'frames': []}], **values})}"


def test_the_subtype_and_the_reasons_of_a_crash_are_read() -> None:
    log = report(
        exception={
            "type": "EXC_BAD_ACCESS",
            "signal": "SIGSEGV",
            "subtype": "KERN_PROTECTION_FAILURE at 0x16b",
            "message": "Thread stack size exceeded",
        },
        termination={
            "namespace": "DYLD",
            "code": 1,
            "indicator": "Library missing",
            "reasons": ["Library not loaded: @rpath/libx.dylib"],
            "details": ["(terminated at launch; ignore backtrace)"],
        },
        ktriageinfo="VM - one\nVM - two\nVM - three\n",
        vmRegionInfo="0x16b is in 0x16a-0x16c; is in Stack Guard",
    )
    assert texts(read_report(log)) == [
        "Exception Type: EXC_BAD_ACCESS (SIGSEGV)",
        "Exception Subtype: KERN_PROTECTION_FAILURE at 0x16b",
        "Exception Message: Thread stack size exceeded",
        "Termination Reason: Namespace DYLD, Code 1 Library missing",
        "Library not loaded: @rpath/libx.dylib",
        "(terminated at launch; ignore backtrace)",
        "VM - one",
        "VM - two",
        "0x16b is in 0x16a-0x16c; is in Stack Guard",
        "Thread 0 Crashed:",
    ]


@pytest.mark.parametrize(
    ("values", "name", "surety"),
    [
        (
            {"exception": {"type": "EXC_GUARD", "subtype": "GUARD_TYPE_FD, id=5"}},
            "family-app-guard",
            "a guess",
        ),
        (
            {"exception": {"type": "EXC_RESOURCE", "subtype": "MEMORY", "message": "(Limit 2 GB)"}},
            "family-killed-for-memory",
            "likely",
        ),
        (
            {"exception": {"type": "EXC_BAD_ACCESS", "subtype": "KERN_CODESIGN_ERROR at 0x1"}},
            "family-code-signature",
            "likely",
        ),
        (
            {"exception": {"type": "EXC_BAD_INSTRUCTION", "signal": "SIGILL"}},
            "family-app-crash",
            "a guess",
        ),
        ({"termination": {"namespace": "TCC", "code": 0}}, "family-privacy", "likely"),
        (
            {"termination": {"namespace": "RUNNINGBOARD", "code": 3735883980}},
            "family-ended-by-ios",
            "likely",
        ),
        (
            {
                "termination": {
                    "namespace": "DYLD",
                    "code": 1,
                    "reasons": ["Library not loaded: @rpath/libx.dylib"],
                }
            },
            "family-app-library-absent",
            "likely",
        ),
        ({"ktriageinfo": "VM - mach_vm_allocate_kernel failed"}, "family-kernel-triage", "a guess"),
        (
            {
                "threads": [{"frames": [{"symbol": "matmul", "imageIndex": 0}]}],
                "usedImages": [{"name": "MPSNDArray"}],
            },
            "family-crash-in-gpu",
            "a guess",
        ),
    ],
)
def test_a_crash_is_told_by_what_its_report_says_of_it(
    values: dict[str, object], name: str, surety: str
) -> None:
    cause = examine(report(**values), entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.confidence.value) == (name, surety)


def test_a_report_of_memory_pressure_names_what_was_ended() -> None:
    pressure = {
        "largestProcess": "Diffusion",
        "processes": [
            {"name": "Diffusion", "reason": "per-process-limit"},
            {"name": "other"},
            {"name": "helper", "reason": "idle-exit"},
        ],
    }
    lines = read_report(f"{json.dumps({'bug_type': '298'})}\n{json.dumps(pressure)}")
    assert texts(lines) == [
        "jetsam: Diffusion was ended: per-process-limit",
        "Largest process: Diffusion",
    ]
