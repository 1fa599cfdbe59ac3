"""Tables of facts that came from elsewhere, and of words that people meet, are kept whole."""

from __future__ import annotations

from types import ModuleType

import pytest

from sdcoreml.doctor.checks import disk as checks_disk
from sdcoreml.doctor.checks import job as checks_job
from sdcoreml.doctor.commands import clean as commands_clean
from sdcoreml.doctor.commands import complete as commands_complete
from sdcoreml.doctor.commands import convert_jobs as commands_convert_jobs
from sdcoreml.doctor.commands import env_upstream as commands_env_upstream
from sdcoreml.doctor.commands import jobs_file as commands_jobs_file
from sdcoreml.doctor.commands import weights as commands_weights
from sdcoreml.doctor.core import certified as core_certified
from sdcoreml.doctor.core import compare as core_compare
from sdcoreml.doctor.core import goal as core_goal
from sdcoreml.doctor.core import redact as core_redact
from sdcoreml.doctor.gather import checkout as gather_checkout
from sdcoreml.doctor.gather import environment as gather_environment
from sdcoreml.doctor.gather import machine as gather_machine
from sdcoreml.doctor.gather import model as gather_model
from sdcoreml.doctor.gather import probe as gather_probe
from sdcoreml.doctor.gather import python as gather_python
from sdcoreml.doctor.gather import tools as gather_tools
from sdcoreml.doctor.gather import volumes as gather_volumes
from sdcoreml.doctor.knowledge import grounds as knowledge_grounds
from sdcoreml.doctor.knowledge import names as knowledge_names
from sdcoreml.doctor.knowledge import skew as knowledge_skew
from sdcoreml.doctor.knowledge import topics as knowledge_topics
from sdcoreml.doctor.knowledge import wordings as knowledge_wordings
from sdcoreml.doctor.report import doctor_page as report_doctor_page
from sdcoreml.doctor.report import layout as report_layout
from sdcoreml.doctor.report import text as report_text
from tests.golden import assert_golden, table_of

TABLES: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (checks_disk, ("_PLACES",)),
    (checks_job, ("AWKWARD",)),
    (commands_clean, ("CACHES",)),
    (commands_complete, ("PATHS",)),
    (commands_convert_jobs, ("FLAGS",)),
    (commands_env_upstream, ("_SAID",)),
    (commands_jobs_file, ("NO_KEYS",)),
    (commands_weights, ("DTYPES",)),
    (core_certified, ("PUBLISHED",)),
    (core_compare, ("SUSPECTS", "NO_NEWS", "RESTLESS", "QUESTIONS", "SUBJECTS")),
    (core_goal, ("_CAN",)),
    (core_redact, ("COMMON", "_TOKENS")),
    (gather_checkout, ("_LEFT_BY_USE",)),
    (gather_environment, ("NATIVE", "TAGGED", "_CEILINGS", "_STRAYS")),
    (gather_machine, ("_NAMES",)),
    (gather_model, ("COMPONENTS", "_HOLDS")),
    (gather_probe, ("QUIET",)),
    (gather_python, ("_PIP",)),
    (gather_tools, ("_PROXIES",)),
    (gather_volumes, ("_QUOTA",)),
    (knowledge_grounds, ("NEEDED", "ANYWHERE")),
    (knowledge_names, ("MEANT",)),
    (knowledge_skew, ("_CALLED", "_READERS")),
    (knowledge_topics, ("FILES", "FAMILIES")),
    (knowledge_wordings, ("_WORDS",)),
    (report_doctor_page, ("_TONES", "_ANSWERS")),
    (report_layout, ("_COUNTED",)),
    (report_text, ("STYLES",)),
)


@pytest.mark.parametrize(("module", "names"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_table_is_as_it_is_kept(module: ModuleType, names: tuple[str, ...]) -> None:
    name = module.__name__.removeprefix("sdcoreml.")
    assert_golden(f"table-{name}", table_of(module, *names))
