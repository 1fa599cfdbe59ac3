"""The slow tests: `make unit` leaves them out, `make test` runs them all.

A test that takes over about 0.2 seconds on a quiet machine belongs here, or has the mark itself.
`make unit` ends with a list of those that should.
"""

from __future__ import annotations

from collections.abc import Mapping

SLOW: Mapping[str, tuple[str, ...]] = {
    "tests/bench/test_headline.py": (
        "test_a_file_holds_every_tensor",
        "test_a_folder_is_a_whole_model",
    ),
    "tests/convert/compile/test_any_program.py": (),
    "tests/convert/compile/test_compare.py": ("test_any_difference_is_told[bare-expected5]",),
    "tests/convert/compile/test_coremldata.py": ("test_a_damaged_byte_is_read_or_refused",),
    "tests/convert/compile/test_golden.py": (),
    "tests/convert/compile/test_literals.py": ("test_integers_are_read_back",),
    "tests/convert/compile/test_parse.py": (
        "test_any_program_is_read_back",
        "test_damaged_texts_are_read_or_refused",
    ),
    "tests/convert/compression/test_allotment.py": (
        "test_a_mixture_is_expected_to_be_no_worse_than_four_bits_for_all",
        "test_the_average_is_kept_and_only_real_widths_are_given",
    ),
    "tests/convert/compression/test_clustering.py": (
        "test_a_palette_is_ascending_within_the_data_and_no_worse_than_the_mean",
        "test_clusters_are_better_than_equal_steps[256]",
        "test_neighbours_do_not_matter",
        "test_of_many_values_too_no_partition_is_better[flat-64]",
    ),
    "tests/convert/compression/test_palette.py": (
        "test_no_entry_is_nearer_than_that_of_the_table",
        "test_packed_codes_are_a_stream_of_bits_lowest_first",
    ),
    "tests/convert/hub/test_converted.py": (),
    "tests/convert/hub/test_elsewhere.py": (
        "test_a_file_by_its_address_is_brought_once",
        "test_a_version_of_civitai_is_brought_and_checked",
    ),
    "tests/convert/hub/test_obtain.py": (),
    "tests/convert/jobs/test_answers.py": (),
    "tests/convert/jobs/test_claims.py": ("test_what_does_not_follow_from_the_model",),
    "tests/convert/jobs/test_draw.py": (),
    "tests/convert/jobs/test_foreign.py": (
        "test_a_conversion_over_an_older_result_keeps_it",
        "test_a_disk_without_hard_links_gets_copies",
        "test_one_component_made_anew_keeps_it",
        "test_several_folders_at_once_keep_theirs",
    ),
    "tests/convert/jobs/test_kept.py": (),
    "tests/convert/jobs/test_recompress.py": ("test_a_table_that_is_as_exact_is_told",),
    "tests/convert/jobs/test_staging.py": (
        "TestStaged::test_a_run_killed_between_the_two_renames_keeps_a_persons_files",
        "TestStaged::test_what_a_killed_run_left_is_removed",
    ),
    "tests/convert/jobs/test_steps.py": (
        "TestControlnet::test_it_is_compared_with_the_unet_that_it_is_for",
        "TestConvertModel::test_a_failed_run_leaves_the_older_result",
        "TestConvertModel::test_twice_the_same_bytes",
        "TestConvertModels::test_programs_of_one_component_are_built_together",
        "TestHalves::test_unets_are_written_in_two_halves_and_no_whole_one_is_left",
    ),
    "tests/convert/jobs/test_unpacked.py": (
        "TestOpenedAgain::test_a_tokenizer_that_was_given_with_it_is_used_again",
        "TestOpenedAgain::test_it_is_unpacked_as_then",
        "test_a_file_of_another_schedule_is_refused_before_it_is_unpacked",
        "test_errors_name_what_was_given_and_leave_nothing",
        "test_what_does_not_run_is_refused_before_it_is_written",
    ),
    "tests/convert/jobs/test_upstream.py": ("test_halves_a_controlled_unet_and_a_safety_checker",),
    "tests/convert/jobs/test_verify.py": (
        "TestHalves::test_both_are_read_and_proved_as_one",
        "TestHalves::test_one_of_another_conversion",
        "test_a_program_that_no_runtime_could_load_is_a_fault",
        "test_a_refiner_is_asked_for_where_one_went_in",
    ),
    "tests/convert/loading/test_measure.py": (
        "test_apps_give_original_attention_and_sdxls_vaes_to_the_gpu",
    ),
    "tests/convert/models/test_ingredients.py": (
        "test_a_vae_and_a_lora_go_into_a_file_and_into_a_folder",
    ),
    "tests/convert/models/test_sample.py": ("test_it_is_byte_for_byte_the_same_on_every_machine",),
    "tests/convert/models/test_single_file.py": (
        "TestPrediction::test_a_mark_among_the_tensors_tells_it",
        "TestPrediction::test_the_training_steps_tell_it",
        "test_any_change_of_names_and_shapes_is_a_fault_or_harmless",
        "test_averaged_weights_stand_in_when_asked_for",
        "test_every_tensor_comes_back_under_its_name",
        "test_every_tensor_comes_back_under_its_name[sd1-Family.SD1]",
    ),
    "tests/convert/models/test_skeleton.py": ("test_no_config_breaks_it",),
    "tests/convert/models/test_unpack.py": (
        "test_a_file_becomes_a_sound_folder_of_its_family",
        "test_a_vae_from_elsewhere_takes_the_place_of_the_own",
    ),
    "tests/convert/models/test_vocabulary.py": ("TestReal::test_a_changed_file_is_brought_again",),
    "tests/convert/packages/test_write.py": (
        "test_large_tensors_are_cast_in_blocks",
        "test_pages_of_a_large_tensor_are_given_back_before_its_end",
    ),
    "tests/convert/spec/test_wire.py": ("test_fields_are_taken_apart_and_joined",),
    "tests/convert/spec/test_writer.py": (
        "test_immediate_values",
        "test_types_and_blobs",
    ),
    "tests/convert/test_cli.py": (
        "test_signals_end_it_with_their_code[1-129]",
        "test_signals_end_it_with_their_code[15-143]",
        "test_signals_end_it_with_their_code[2-130]",
    ),
    "tests/convert/test_worker.py": (
        "test_a_child_that_is_silent_for_long_is_told_once_and_left_alone",
        "test_a_child_that_takes_too_long_is_ended",
        "test_no_child_outlives_a_killed_parent",
    ),
    "tests/convert/weights/test_cast.py": (
        "test_float16_of_any_bits_is_numpys",
        "test_numpy_types_are_cast_as_numpy_does",
    ),
    "tests/convert/weights/test_gather.py": ("test_any_view_is_gathered_in_row_major_order",),
    "tests/convert/weights/test_hashing.py": ("test_it_is_the_digest_of_all_parts_in_order",),
    "tests/convert/weights/test_header.py": (
        "test_what_is_built_is_what_the_reference_writes",
        "test_what_is_built_parses_to_the_same_tensors",
        "test_whatever_we_accept_the_reference_accepts_too",
    ),
    "tests/convert/weights/test_opcodes.py": (
        "test_a_deeply_nested_value_does_not_overflow_the_stack",
        "test_plain_data_comes_back_as_it_was_from_every_protocol",
    ),
    "tests/convert/weights/test_source.py": (
        "test_any_damage_is_refused_or_harmless",
        "test_any_damage_is_refused_or_harmless[safetensors]",
        "test_every_truncation_is_told",
    ),
    "tests/convert/weights/test_tensor.py": ("test_contiguous_is_what_numpy_calls_so",),
    "tests/convert/weights/test_zip_directory.py": ("test_any_damage_is_refused_or_harmless",),
    "tests/doctor/checks/test_programs.py": ("test_no_folder_however_odd_breaks_a_check",),
    "tests/doctor/commands/test_complete.py": (
        "test_bash_offers_verbs_options_choices_and_paths",
        "test_each_shell_has_its_script",
    ),
    "tests/doctor/commands/test_convert.py": (
        "TestSample::test_an_older_one_is_made_anew",
        "test_what_a_builder_would_refuse_is_said_before_an_environment_is_built",
        "test_wrong_usage_is_said_before_a_file_is_unpacked",
    ),
    "tests/doctor/commands/test_convert_environment.py": (
        "test_light_converts_where_tested_has_no_python",
        "test_light_replaces_nothing_where_torch_is_needed",
        "test_without_any_python_the_first_reason_stands",
    ),
    "tests/doctor/commands/test_convert_jobs.py": (
        "TestJobsOf::test_a_controlnet_has_the_shape_of_what_it_is_for",
        "TestJobsOf::test_parts_that_stay_are_not_made_otherwise_by_what_is_said_of_new_ones",
    ),
    "tests/doctor/commands/test_convert_plan.py": (
        "test_a_plan_says_what_this_machine_has",
        "test_a_plan_says_what_would_be_made_of_what_and_writes_nothing",
        "test_a_refusal_after_the_judgement_has_its_check_s_id",
        "test_a_refusal_is_the_verdict",
        "test_an_output_that_may_not_be_replaced_is_refused_first",
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
    "tests/doctor/commands/test_draw.py": (
        "test_a_contact_sheet_says_what_each_folder_costs_and_keeps",
    ),
    "tests/doctor/commands/test_env.py": (),
    "tests/doctor/commands/test_env_conda.py": (),
    "tests/doctor/commands/test_env_lock.py": (),
    "tests/doctor/commands/test_env_upstream.py": (
        "test_the_commit_is_obtained_found_and_repaired",
    ),
    "tests/doctor/commands/test_examine.py": (),
    "tests/doctor/commands/test_inspect.py": (
        "test_a_checkpoint_with_averages",
        "test_a_model_that_the_converter_refuses_runs_nowhere",
    ),
    "tests/doctor/commands/test_jobs_file.py": (
        "test_lists_cannot_multiply_without_end",
        "test_the_schema_accepts_what_the_reader_accepts",
    ),
    "tests/doctor/commands/test_named_models.py": (
        "test_a_name_that_cannot_be_fetched_has_a_verdict_too",
        "test_convert_refuses_a_model_before_it_is_fetched[option0]",
        "test_convert_refuses_a_model_before_it_is_fetched[option1]",
        "test_inspect_says_what_a_name_is",
        "test_the_doctor_judges_a_name_as_it_would_the_model",
    ),
    "tests/doctor/commands/test_preflight.py": (
        "TestEnvironmentFor::test_the_machine_is_examined_before_it_builds_and_not_again",
    ),
    "tests/doctor/commands/test_verify.py": ("test_a_damaged_folder_is_1",),
    "tests/doctor/commands/test_verify_coreml.py": ("test_the_verdict_comes_first",),
    "tests/doctor/core/test_codec.py": (
        "test_any_reason_survives",
        "test_anything_else_is_refused_with_its_place",
    ),
    "tests/doctor/core/test_fix.py": (
        "test_every_command_is_one_that_there_is",
        "test_no_fix_with_sudo_or_that_deletes_is_safe",
    ),
    "tests/doctor/core/test_redact.py": ("test_nothing_private_is_left_in_any_field",),
    "tests/doctor/gather/test_model.py": (
        "test_the_parts_in_a_single_file_are_counted",
        "test_the_parts_in_a_single_file_are_counted[sd1-names0-64]",
    ),
    "tests/doctor/gather/test_probe.py": ("test_a_program_that_hangs_is_killed_with_its_children",),
    "tests/doctor/gather/test_secrets.py": ("test_any_login_is_taken_out",),
    "tests/doctor/gather/test_toolchain.py": (
        "test_an_environment_and_its_record",
        "test_smoke_names_the_innermost_reason",
    ),
    "tests/doctor/knowledge/test_diagnosis.py": ("test_any_text_is_read_without_complaint",),
    "tests/doctor/knowledge/test_public.py": (
        "test_damaged_logs_are_read_and_never_certain_of_another_cause",
    ),
    "tests/doctor/proving/test_trials.py": (),
    "tests/doctor/report/test_formats.py": ("test_any_words_can_be_written_in_every_format",),
    "tests/doctor/report/test_layout.py": ("test_whatever_is_said_each_label_starts_its_line",),
    "tests/doctor/report/test_terminal.py": ("test_on_a_terminal_the_bytes_stand_beside_the_bar",),
    "tests/doctor/test_anything.py": (),
    "tests/doctor/test_cli.py": (),
    "tests/doctor/test_knowledge.py": ("test_an_example_inside_a_long_log_is_found_at_its_line",),
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
    "tests/envs/conda/test_engine.py": (),
    "tests/envs/conda/test_prefix.py": (),
    "tests/envs/kept/test_eighty.py": (),
    "tests/envs/kept/test_manifest.py": ("test_what_is_written_is_read_back",),
    "tests/envs/kept/test_verify.py": (),
    "tests/envs/locking/test_compile.py": (),
    "tests/envs/locking/test_opinion.py": (
        "test_no_resolution_is_one_line",
        "test_pip_tools_resolves_and_nobodys_settings_leak",
        "test_without_a_network_no_opinion_is_taken",
    ),
    "tests/envs/processes/test_installer.py": ("test_uv_is_taken_where_there_is_one",),
    "tests/envs/processes/test_reach.py": ("test_silence_is_not_waited_for",),
    "tests/envs/test_bootstrap.py": (
        "test_a_lock_whose_maker_died_before_it_wrote_its_number_is_void",
        "test_a_real_older_python_brings_uv_by_its_hash_alone",
        "test_ended_from_outside_it_gives_the_older_one_back",
        "test_of_two_at_once_the_second_waits_and_finds_it_made",
    ),
    "tests/envs/upstream/test_fetch.py": ("test_git_brings_one_commit_without_history",),
    "tests/envs/upstream/test_objects.py": ("test_trees_that_repeat_each_other_end",),
    "tests/fuzz/test_harness.py": (
        "test_a_path_is_changed_where_it_is[crowd]",
        "test_a_short_run_finds_nothing",
        "test_every_kind_of_fault_is_seen[take_memory-kinds10]",
        "test_the_same_seed_makes_the_same_input",
    ),
    "tests/fuzz/test_small_parsers.py": (
        "test_a_pickle_in_a_zip_file",
        "test_a_recipe",
        "test_an_old_pickle",
    ),
    "tests/ground/test_collector.py": ("test_the_tool_and_the_builder_look_for_cycles_rarely",),
    "tests/ground/test_events.py": ("test_an_event_survives_the_line",),
    "tests/lockfiles/test_artefact.py": ("test_what_is_written_is_read_back",),
    "tests/lockfiles/test_conda.py": ("test_whatever_a_channel_says_survives_the_file",),
    "tests/lockfiles/test_derive.py": ("test_nothing_in_a_part_needs_what_is_not_in_it",),
    "tests/lockfiles/test_evidence.py": ("test_any_text_survives",),
    "tests/lockfiles/test_lock.py": (
        "test_order_and_comments_say_nothing",
        "test_what_is_written_is_read_back",
    ),
    "tests/lockfiles/test_table.py": (
        "test_any_text_can_be_written_as_a_string",
        "test_what_is_no_toml_is_one_line",
        "test_whatever_stands_there_the_answer_has_the_kind_asked_for",
    ),
    "tests/lockfiles/test_versions.py": (
        "test_order_is_that_of_packaging",
        "test_releases_are_judged_as_packaging_does",
    ),
    "tests/mutants/test_pythons.py": (),
    "tests/mutants/test_trial.py": ("test_time_is_up",),
    "tests/odd/test_judgement.py": (
        "test_every_command_says_the_same_and_is_right",
        "test_every_command_says_the_same_and_is_right[sd1-folder]",
        "test_every_command_says_the_same_and_is_right[sd2-told]",
    ),
    "tests/test_advice.py": (
        "test_every_command_can_be_pasted",
        "test_every_command_can_be_pasted[.venv]",
        "test_every_command_can_be_pasted[PATH]",
        "test_every_command_can_be_pasted[make]",
        "test_every_text_holds_its_commands_in_backticks",
    ),
    "tests/test_door.py": ("test_others_files_are_read_through_the_door_alone",),
    "tests/test_floors.py": (
        "test_everyday_commands_load_nothing_of_the_maintainers",
        "test_imports_go_down_only[convert]",
        "test_imports_go_down_only[doctor]",
        "test_no_two_rooms_import_each_other",
        "test_what_only_the_environment_has_is_imported_at_once_by_what_runs_there",
        "test_whatever_the_host_imports_it_loads_nothing_of_the_environment",
    ),
    "tests/test_guard.py": ("test_a_test_that_does_either_fails",),
    "tests/test_readme.py": ("test_every_command_is_one_that_there_is",),
    "tests/test_walks.py": ("test_a_walk_leads_where_it_says",),
    "tests/test_wheel.py": (),
    "tests/test_workflow.py": ("test_a_tiny_model_of_the_family_can_be_converted",),
    "tests/tools/certify/test_finished.py": (
        "test_a_damaged_folder_gets_no_certificate",
        "test_certificates_are_written_for_what_was_proved_in_full",
        "test_certifying_again_keeps_what_was_there",
    ),
    "tests/tools/sample/test_judge.py": (
        "test_all_that_is_measured_is_seen_right_where_it_is_drawn_right",
        "test_scenes_of_every_kind_are_seen_right",
    ),
    "tests/tools/test_reference_pairs.py": ("test_the_same_files_make_the_same_archive",),
}
"""For each file: its slow tests, all cases of a test or one; all tests if there are none."""
