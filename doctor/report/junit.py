"""JUnit XML: a check is a test case, a family a suite."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TextIO
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import Report, Result

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def write(report: Report, stream: TextIO) -> None:
    """Errors are failures, unknowns are errors (the test could not run), warnings are output."""
    root = Element("testsuites", name="sdcoreml doctor", time=f"{report.seconds:.3f}")
    for family, group in groupby(report.results, key=lambda result: result.family):
        _suite(root, family.value, tuple(group))
    for element in root.iter():
        _clean(element)
    indent(root)
    ElementTree(root).write(stream, encoding="unicode", xml_declaration=True)
    stream.write("\n")


def _suite(root: Element, name: str, results: tuple[Result, ...]) -> None:
    suite = SubElement(
        root,
        "testsuite",
        name=name,
        tests=str(len(results)),
        failures=_count(results, Status.ERROR),
        errors=_count(results, Status.UNKNOWN),
        skipped=_count(results, Status.SKIPPED),
    )
    for result in results:
        _case(suite, name, result)


def _count(results: tuple[Result, ...], status: Status) -> str:
    return str(sum(result.status is status for result in results))


def _case(suite: Element, family: str, result: Result) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=f"doctor.{family}",
        name=f"{result.id} {result.title}",
        time=f"{result.seconds:.4f}",
    )
    text = "\n".join(_told(result))
    match result.status:
        case Status.ERROR:
            SubElement(case, "failure", message=_first(text)).text = text
        case Status.UNKNOWN:
            SubElement(case, "error", message=_first(text)).text = text
        case Status.SKIPPED:
            SubElement(case, "skipped", message=result.reason)
        case _ if text:
            SubElement(case, "system-out").text = text


def _told(result: Result) -> list[str]:
    lines = [result.reason, f"ignored: {result.ignored}" if result.ignored else ""]
    for finding in result.findings:
        lines += [finding.what, finding.why, finding.fix.title if finding.fix else ""]
    return [line for line in lines if line]


def _clean(element: Element) -> None:
    """Replace the characters that XML 1.0 cannot hold, even escaped: a terminal's colours, say."""
    element.text = element.text and _NOT_XML.sub(_REPLACED, element.text)
    for name, value in element.items():
        element.set(name, _NOT_XML.sub(_REPLACED, value))


def _first(text: str) -> str:
    return text.partition("\n")[0]
