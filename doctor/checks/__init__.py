"""Checks by family: pure functions from facts to findings.

`CHECKS` is the whole registry, in the order of the report. Ids are stable: a check that goes leaves
its number unused, a new one takes the next.
"""

from __future__ import annotations

from doctor.check import Check
from doctor.checks import disk, environment, model, native, pins, python, system, tools

CHECKS: tuple[Check, ...] = (
    system.platform_supported,
    system.native_processor,
    system.macos_version,
    system.text_encoding,
    python.host_python,
    python.environment_python,
    python.interpreter_to_build_with,
    python.pythonpath_clean,
    python.user_site_clean,
    python.pip_settings_neutral,
    python.own_libraries,
    environment.present,
    environment.of_this_lock,
    environment.complete,
    environment.sealed,
    environment.imports,
    environment.no_hooks,
    pins.direct_pins,
    pins.whole_lock,
    pins.nothing_else,
    pins.one_of_each,
    native.compiled_parts,
    native.binary_wheels,
    native.from_the_index,
    tools.git_present,
    tools.checkout_is_repository,
    tools.checkout_commit,
    tools.checkout_clean,
    tools.checkout_complete,
    tools.checkout_remote,
    tools.compiler_present,
    tools.developer_directory,
    disk.room_for_result,
    disk.room_for_environment,
    disk.room_for_temporary_files,
    disk.places_writable,
    system.enough_memory,
    system.memory_summary,
    tools.downloads_complete,
    tools.hub_summary,
    model.layout,
    model.shards_loadable,
    model.shards_present,
    model.weights_present,
    model.no_pointers,
    model.no_web_pages,
    model.files_whole,
    model.pickles_safe,
)
