"""The behaviours of the real server that the embedded one has, and the tests that show each over the wire."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Behaviour: module and tests, all in this folder.
TABLE: Mapping[str, str] = {
    "gRPC: Predict": "test_predict: test_half_plus_two, test_several_signatures_and_outputs",
    "gRPC: a rank-1 feed for rank 2": "test_predict: test_a_rank_1_feed_for_a_rank_2_placeholder_is_accepted",
    "gRPC: every element type, strings, zero size, rank 0": "test_predict: test_every_element_type_there_and_back, "
    "test_bfloat16, test_strings, test_zero_size",
    "gRPC: values that fill a tensor, and tensors that lie": "test_predict: test_fewer_and_more_values_than_elements, "
    "test_broken_tensors, test_a_wrong_element_type, test_a_shape_the_graph_refuses",
    "gRPC: output_filter": "test_predict: test_output_filter",
    "gRPC: default inputs of a signature": "test_predict: test_default_inputs, test_missing_extra_and_misnamed_inputs",
    "gRPC: Classify": "test_examples: test_classify_with_scores, test_classify_with_labels, test_classify_refusals",
    "gRPC: Regress": "test_examples: test_regress, test_regress_refusals",
    "gRPC: MultiInference": "test_examples: test_multi_inference, test_multi_inference_refusals",
    "gRPC: tensorflow.Example inputs with context": "test_examples: test_context_is_merged_and_the_example_wins, "
    "test_no_examples, test_an_example_the_model_cannot_parse",
    "gRPC: method names checked on demand": "test_examples: test_method_names_are_checked_when_asked_for",
    "gRPC: GetModelMetadata": "test_metadata_and_status: test_metadata, test_metadata_refusals",
    "gRPC: GetModelStatus": "test_metadata_and_status: test_status, test_status_refusals",
    "gRPC: HandleReloadConfigRequest": "test_many_models: test_reload_replaces_the_whole_set, "
    "test_reload_refusals_change_nothing, test_a_reload_of_a_broken_model_says_so_and_goes_on",
    "gRPC: health service": "test_grpc_server: test_health_check, test_watchers_are_told_of_the_end_before_it_comes, "
    "test_the_health_service_can_be_turned_off",
    "gRPC: model_spec by name, version, label": "test_predict: test_a_version_by_number, test_an_unknown_model, "
    "test_no_model_spec_and_no_name, test_an_unknown_label, test_an_unknown_signature",
    "gRPC: labels": "test_many_models: test_labels, test_labels_at_the_start_need_a_flag",
    "gRPC: field-wise replies, or tensor_content": "test_predict: test_reply_is_field_wise_by_default, "
    "test_tensor_content_in_replies",
    "gRPC: unix socket": "test_life_cycle: test_tcp_and_a_unix_socket_at_once, "
    "test_socket_is_private_and_removed_at_the_end, test_a_socket_is_taken_over_aloud_and_kept",
    "gRPC: channel arguments, message sizes": "test_grpc_server: test_channel_arguments_take_effect, "
    "test_large_messages_pass_without_arguments",
    "gRPC: TLS and mutual TLS": "test_tls: test_only_clients_that_speak_tls_are_answered, "
    "test_mutual_tls_asks_clients_for_a_certificate_of_the_authority, test_an_unusable_file_ends_the_start",
    "REST: status and metadata": "test_public_suite: test_get_status_rest, test_get_model_metadata_rest",
    "REST: versions and labels in paths": "test_rest: test_routes_know_no_case_and_take_versions, "
    "test_labels_name_versions",
    "REST: rows and columns, named and unnamed": "test_rest: test_forms, test_outputs_without_a_common_batch",
    "REST: base64 and the _bytes rule": "test_rest: test_bytes_in_and_out",
    "REST: NaN and Infinity": "test_rest: test_not_a_number_and_infinity",
    "REST: every element type": "test_rest: test_values_come_back_as_they_went, "
    "test_numbers_are_as_short_as_their_type_allows, test_types_that_json_cannot_say",
    "REST: classify and regress": "test_rest: test_examples, test_refused_examples",
    "REST: errors and their statuses": "test_rest: test_refusals, test_routes_that_lead_nowhere",
    "REST: time-out": "test_rest: test_a_call_over_the_time_out",
    "REST: cross-origin headers": "test_rest: test_cross_origin_headers",
    "REST: compressed bodies": "test_rest: test_compressed_bodies",
    "models: config file and version policies": "test_many_models: test_models_and_policies_of_a_config_file, "
    "test_a_config_file_that_cannot_be_parsed, test_a_config_file_that_is_not_there",
    "models: polling of the config file": "test_many_models: test_changes_of_the_config_file_are_applied, "
    "test_without_polling_the_config_file_is_read_once",
    "models: polling of the file system": "test_life_cycle: test_it_waits_for_a_first_version_and_swaps_in_a_second",
    "models: no gap when a version replaces another": "test_version_swap: test_versions_come_and_go_under_load",
    "models: a broken version": "test_many_models: test_a_broken_version_hurts_nobody, "
    "test_a_base_path_that_vanishes_or_is_empty",
    "models: unloading waits for requests": "test_many_models: test_unloading_lasts_as_long_as_its_last_request",
    "models: retries": "test_life_cycle: test_the_first_load_is_tried_again",
    "models: TensorFlow 1 and 2, assets and tables": "test_predict: test_keras_and_tensorflow_1_with_tables",
    "models: tags": "test_life_cycle: test_wrong_tags_end_the_start",
    "models: TensorFlow Lite": "test_public_suite: test_predict_on_tensorflow_lite",
    "models: element types of quantized models": "test_predict: test_every_element_type_there_and_back",
    "models: operations of tensorflow-text": "test_public_suite: test_tensorflow_text",
    "models: warm-up": "test_warmup: test_every_kind_of_request_is_answered_first, "
    "test_bad_requests_keep_a_version_from_being_served",
    "batching: joined and split": "test_batching: test_eight_callers_over_the_wire, "
    "test_calls_that_wait_are_joined_and_each_gets_its_own_rows",
    "batching: sizes, time-out, padding": "test_batching: test_a_batch_has_no_more_rows_than_allowed, "
    "test_a_batch_waits_for_more_until_it_is_full, test_batches_are_padded_up_to_an_allowed_size",
    "batching: a full queue is UNAVAILABLE": "test_batching: test_a_full_queue_is_refused",
    "batching: one bad request fails alone": "test_batching: test_one_bad_call_fails_alone, "
    "test_a_bad_request_among_good_ones_over_the_wire",
    "batching: parameters, also of one model": "test_batching: test_bad_parameters, test_parameters_of_one_model",
    "monitoring: Prometheus page": "test_monitoring: test_every_request_is_counted_through_both_doors, "
    "test_the_page_is_what_prometheus_reads, test_loads_good_and_bad_are_counted, test_unknown_models_add_no_labels",
    "profiler: a trace for TensorFlow's client": "test_public_suite: test_profiler_service",
    "profiler: where a trace goes, one at a time": "test_profiler: test_the_reply_holds_the_trace, test_one_at_a_time, "
    "test_traces_are_kept_where_the_administrator_says, test_a_client_that_gives_up_ends_its_trace",
    "life cycle: flags": "test_flags: test_every_flag_works_or_says_why_not, "
    "test_an_unknown_flag_ends_with_usage_on_stderr",
    "life cycle: unreadable model, bad config": "test_life_cycle: test_an_unreadable_model_ends_the_start, "
    "test_a_relative_base_path_is_refused",
    "life cycle: SIGTERM drains": "test_life_cycle: test_sigterm_finishes_what_is_in_flight",
    "life cycle: SIGTERM drains REST": "test_rest: test_calls_in_flight_end_well_at_the_end",
    "hostile requests": "test_fuzz: test_ten_thousand_bad_requests",
}


def names_of_tests(module: str) -> set[str]:
    """The names of a module's tests."""
    tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("behaviour", TABLE)
def test_every_behaviour_has_its_tests(behaviour: str) -> None:
    module, _, names = TABLE[behaviour].partition(": ")
    assert set(names.split(", ")) <= names_of_tests(module)
