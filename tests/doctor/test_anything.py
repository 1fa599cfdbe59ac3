"""No facts make checks, verdicts, reports or comparisons crash."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.codec import load, save
from sdcoreml.doctor.core.compare import find_changes
from sdcoreml.doctor.core.engine import Report, examine, exit_code
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.doctor.core.fix import plan, plan_lines
from sdcoreml.doctor.core.goal import GOALS, conclude
from sdcoreml.doctor.core.redact import Secrets, redact
from sdcoreml.doctor.report import FORMATS, write
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from tests.doctor.anything import FACTS
from tests.doctor.healthy import HEALTHY

SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def judged(facts: Facts) -> Report:
    return conclude(examine(facts, CHECKS), facts, CHECKS, goals=GOALS)


@SLOW
@given(FACTS)
def test_no_facts_break_a_check(facts: Facts) -> None:
    for result in judged(facts).results:
        broken = [one.what for one in result.findings if one.what.startswith("the check itself")]
        assert not broken, result.id


@SLOW
@given(FACTS)
def test_no_facts_break_a_report(facts: Facts) -> None:
    report = judged(facts)
    for form in FORMATS:
        stream = io.StringIO()
        write(report, form, stream)
        assert stream.getvalue().endswith("\n")
    assert list(plan_lines(plan(report)))
    assert exit_code(report) in {0, 1, 3}
    for verdict in report.verdicts:
        assert verdict.answer in {"yes", "no", "unknown"}
        assert (verdict.answer == "yes") is not bool(verdict.because)


@SLOW
@given(FACTS, FACTS)
def test_any_two_machines_can_be_compared(one: Facts, other: Facts) -> None:
    assert find_changes(one, one) == ()
    for change in find_changes(one, other):
        assert change.before != change.after
        assert str(change)


@SLOW
@given(FACTS)
def test_any_facts_come_back_from_json_and_can_be_redacted(facts: Facts) -> None:
    assert load(json.loads(json.dumps(save(facts)))) == facts
    secrets = Secrets(homes=("/home/grace",), names=("grace",))
    assert judged(redact(facts, secrets)).results


PLAIN = to_plain(HEALTHY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@SLOW
@given(JSON, st.data())
def test_a_file_that_is_no_facts_is_refused(value: object, data: st.DataObject) -> None:
    with pytest.raises(DecodeError, match=r"^file: "):
        load(value)
    group = data.draw(st.sampled_from(sorted(PLAIN)))
    with pytest.raises(DecodeError, match=rf"^facts\.{group}"):
        from_plain(Facts, {**PLAIN, group: {"something": value}}, "facts")
