"""The slow tests: `make unit` leaves them out, `make test` runs them all.

A test that takes over about 0.3 seconds on a quiet machine belongs here, or has the mark itself.
`make unit` ends with a list of those that should.
"""

from __future__ import annotations

from collections.abc import Mapping

SLOW: Mapping[str, tuple[str, ...]] = {
    "tests/bench/test_headline.py": ("test_a_folder_is_a_whole_model",),
    "tests/convert/compile/test_any_program.py": (),
    "tests/convert/compile/test_coremldata.py": ("test_a_damaged_byte_is_read_or_refused",),
    "tests/convert/compile/test_golden.py": (
        "test_a_compiled_folder_is_apples[unified_256ms_int8]",
        "test_a_compiled_folder_is_apples[unified_256ms_palette_6bit]",
        "test_a_compiled_folder_is_apples[unified_256ms_pruned_int8]",
        "test_apples_folders_are_sound_and_say_what_their_sources_say[unified_256ms_int8]",
        "test_apples_folders_are_sound_and_say_what_their_sources_say[unified_256ms_palette_4bit]",
        "test_apples_folders_are_sound_and_say_what_their_sources_say[unified_256ms_pruned_int8]",
        "test_coremldata_is_apples_in_one_order_of_the_map[parakeet_eou_160ms_encoder_ios17]",
        "test_coremldata_is_apples_in_one_order_of_the_map[unified_256ms_pruned_int8]",
        "test_metadata_is_apples_as_json[parakeet_eou_160ms_encoder_ios17]",
        "test_the_text_is_apples_byte_for_byte[parakeet_eou_160ms_encoder_ios17]",
    ),
    "tests/convert/compile/test_parse.py": (
        "test_any_program_is_read_back",
        "test_damaged_texts_are_read_or_refused",
    ),
    "tests/convert/compression/test_allotment.py": (
        "test_the_average_is_kept_and_only_real_widths_are_given",
    ),
    "tests/convert/compression/test_clustering.py": (
        "test_a_palette_is_ascending_within_the_data_and_no_worse_than_the_mean",
        "test_neighbours_do_not_matter",
        "test_of_many_values_too_no_partition_is_better[flat-64]",
    ),
    "tests/convert/compression/test_palette.py": (
        "test_no_entry_is_nearer_than_that_of_the_table",
    ),
    "tests/convert/hub/test_converted.py": (),
    "tests/convert/hub/test_obtain.py": (
        "test_a_cache_that_has_it_all_is_only_read",
        "test_a_cache_without_weights_stands_in_for_nothing",
        "test_a_model_is_brought_once_with_what_is_needed",
        "test_an_answer_beyond_measure_is_no_json",
        "test_the_hub_s_own_library_finds_what_was_brought",
        "test_what_came_before_is_said",
        "test_without_a_network_the_cache_is_taken_and_that_is_said",
    ),
    "tests/convert/jobs/test_foreign.py": (
        "test_a_conversion_over_an_older_result_keeps_it",
        "test_one_component_made_anew_keeps_it",
        "test_several_folders_at_once_keep_theirs",
    ),
    "tests/convert/jobs/test_kept.py": (
        "test_a_result_of_another_model_is_not_replaced_unless_forced",
        "test_halves_take_the_place_of_the_whole",
        "test_nothing_is_kept_of_a_folder_that_was_changed",
        "test_only_what_is_named_is_made_and_the_rest_are_the_same_files",
        "test_packages_are_dropped_on_request_and_then_absent_by_choice",
        "test_without_torch_what_certificates_prove_replaces_a_checked_result",
    ),
    "tests/convert/jobs/test_staging.py": (
        "TestStaged::test_a_run_killed_between_the_two_renames_keeps_a_persons_files",
        "TestStaged::test_what_a_killed_run_left_is_removed",
    ),
    "tests/convert/jobs/test_steps.py": ("TestConvertModel::test_twice_the_same_bytes",),
    "tests/convert/jobs/test_unpacked.py": (
        "TestOpenedAgain::test_a_tokenizer_that_was_given_with_it_is_used_again",
        "TestOpenedAgain::test_it_is_unpacked_as_then",
        "test_a_file_of_another_schedule_is_refused_before_it_is_unpacked",
        "test_errors_name_what_was_given_and_leave_nothing",
        "test_what_does_not_run_is_refused_before_it_is_written",
    ),
    "tests/convert/jobs/test_upstream.py": ("test_halves_a_controlled_unet_and_a_safety_checker",),
    "tests/convert/jobs/test_verify.py": (
        "TestHalves::test_one_of_another_conversion",
        "test_a_program_that_no_runtime_could_load_is_a_fault",
        "test_a_refiner_is_asked_for_where_one_went_in",
    ),
    "tests/convert/models/test_single_file.py": (
        "test_any_change_of_names_and_shapes_is_a_fault_or_harmless",
    ),
    "tests/convert/models/test_vocabulary.py": ("TestReal::test_a_changed_file_is_brought_again",),
    "tests/convert/weights/test_header.py": ("test_whatever_we_accept_the_reference_accepts_too",),
    "tests/convert/weights/test_opcodes.py": (
        "test_plain_data_comes_back_as_it_was_from_every_protocol",
    ),
    "tests/doctor/checks/test_programs.py": ("test_no_folder_however_odd_breaks_a_check",),
    "tests/doctor/commands/test_complete.py": (
        "test_bash_offers_verbs_options_choices_and_paths",
        "test_each_shell_has_its_script",
    ),
    "tests/doctor/commands/test_convert.py": ("TestSample::test_an_older_one_is_made_anew",),
    "tests/doctor/commands/test_convert_jobs.py": (
        "TestJobsOf::test_parts_that_stay_are_not_made_otherwise_by_what_is_said_of_new_ones",
    ),
    "tests/doctor/commands/test_convert_plan.py": (
        "test_a_plan_says_what_this_machine_has",
        "test_a_plan_says_what_would_be_made_of_what_and_writes_nothing",
        "test_compression_is_counted",
    ),
    "tests/doctor/commands/test_convert_upstream.py": (
        "test_both_are_compared_program_by_program",
        "test_the_commit_is_brought_and_its_folder_handed_on",
    ),
    "tests/doctor/commands/test_doctor.py": (
        "test_a_bare_python_finds_the_same_and_names_what_it_lacks",
        "test_the_whole_command_on_a_broken_model",
    ),
    "tests/doctor/commands/test_env.py": (),
    "tests/doctor/commands/test_env_conda.py": (),
    "tests/doctor/commands/test_env_lock.py": (),
    "tests/doctor/commands/test_env_upstream.py": (
        "test_the_commit_is_obtained_found_and_repaired",
    ),
    "tests/doctor/commands/test_examine.py": (),
    "tests/doctor/commands/test_preflight.py": (
        "TestEnvironmentFor::test_the_machine_is_examined_before_it_builds_and_not_again",
    ),
    "tests/doctor/core/test_codec.py": (
        "test_any_reason_survives",
        "test_anything_else_is_refused_with_its_place",
    ),
    "tests/doctor/core/test_fix.py": (
        "test_every_command_is_one_that_there_is",
        "test_no_fix_with_sudo_or_that_deletes_is_safe",
    ),
    "tests/doctor/core/test_redact.py": ("test_nothing_private_is_left_in_any_field",),
    "tests/doctor/gather/test_secrets.py": ("test_any_login_is_taken_out",),
    "tests/doctor/gather/test_toolchain.py": ("test_an_environment_and_its_record",),
    "tests/doctor/proving/test_trials.py": (),
    "tests/doctor/report/test_layout.py": ("test_whatever_is_said_each_label_starts_its_line",),
    "tests/doctor/test_anything.py": (),
    "tests/doctor/test_cli.py": (
        "test_a_bug_is_exit_70_and_names_a_log",
        "test_a_name_that_would_steer_the_terminal_is_shown_on_one_line",
        "test_a_reader_that_went_changes_no_exit_code",
        "test_an_error_is_one_line_and_its_own_exit_code",
        "test_an_output_that_is_closed_is_no_fault",
        "test_an_output_that_is_full_is_one_line",
        "test_any_file_name_can_be_said",
        "test_ctrl_c_while_the_tool_is_still_loading_is_no_traceback",
        "test_no_command_lets_a_name_steer_the_terminal",
        "test_only_the_chosen_command_is_imported",
        "test_without_a_model_the_doctor_imports_nothing_that_only_models_need",
        "test_without_a_place_for_errors_they_do_not_go_into_the_data",
        "test_wrong_usage_is_exit_code_2",
    ),
    "tests/envs/building/test_build.py": (),
    "tests/envs/building/test_provision.py": (
        "test_a_drifting_environment_in_use_stays_unless_one_insists",
        "test_a_venv_is_built_on_it_and_it_goes_with_the_last_of_them",
        "test_conda_packages_bring_it_into_the_store",
        "test_the_exact_python_is_brought_unasked_though_another_patch_is_here",
    ),
    "tests/envs/building/test_steps.py": (),
    "tests/envs/building/test_variants.py": (
        "test_nothing_is_brought_for_a_variant",
        "test_of_forms_with_the_same_lock_that_of_its_python_is_in_use",
        "test_the_one_in_use_stays_though_its_python_is_gone",
    ),
    "tests/envs/care/test_archive.py": (),
    "tests/envs/care/test_repair.py": (),
    "tests/envs/care/test_reseal.py": (),
    "tests/envs/conda/test_engine.py": (
        "test_files_are_brought_over_http",
        "test_packages_are_laid_out_with_their_final_place_in_them",
    ),
    "tests/envs/conda/test_prefix.py": (),
    "tests/envs/kept/test_eighty.py": (),
    "tests/envs/kept/test_manifest.py": ("test_what_is_written_is_read_back",),
    "tests/envs/kept/test_verify.py": (),
    "tests/envs/locking/test_compile.py": (
        "test_a_replaced_file_makes_a_lock_stale",
        "test_every_target_is_locked_on_this_machine",
        "test_versions_stay_until_an_upgrade_is_asked_for",
    ),
    "tests/envs/locking/test_opinion.py": (
        "test_no_resolution_is_one_line",
        "test_pip_tools_resolves_and_nobodys_settings_leak",
        "test_without_a_network_no_opinion_is_taken",
    ),
    "tests/envs/test_bootstrap.py": ("test_a_real_older_python_brings_uv_by_its_hash_alone",),
    "tests/envs/upstream/test_fetch.py": ("test_git_brings_one_commit_without_history",),
    "tests/envs/upstream/test_objects.py": ("test_trees_that_repeat_each_other_end",),
    "tests/fuzz/test_harness.py": (
        "test_a_short_run_finds_nothing",
        "test_every_kind_of_fault_is_seen[take_memory-kinds10]",
    ),
    "tests/lockfiles/test_artefact.py": ("test_what_is_written_is_read_back",),
    "tests/lockfiles/test_lock.py": (
        "test_order_and_comments_say_nothing",
        "test_what_is_written_is_read_back",
    ),
    "tests/test_advice.py": (
        "test_every_command_can_be_pasted[make]",
        "test_every_text_holds_its_commands_in_backticks",
    ),
    "tests/test_floors.py": (
        "test_everyday_commands_load_nothing_of_the_maintainers",
        "test_imports_go_down_only[convert]",
        "test_no_two_rooms_import_each_other",
        "test_what_only_the_environment_has_is_imported_at_once_by_what_runs_there",
        "test_whatever_the_host_imports_it_loads_nothing_of_the_environment",
    ),
    "tests/test_readme.py": ("test_every_command_is_one_that_there_is",),
    "tests/test_walks.py": ("test_a_walk_leads_where_it_says",),
    "tests/test_wheel.py": (),
    "tests/test_workflow.py": ("test_a_tiny_model_of_the_family_can_be_converted",),
}
"""For each file: its slow tests, all cases of a test or one; all tests if there are none."""
