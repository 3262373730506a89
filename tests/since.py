"""What the tests want of a server that older versions do not do: the tests to leave out with `--server`, and why.

Each is named by its file, its function ("" for all of the file) and a part of its parameters.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Want(NamedTuple):
    """Tests that want a server of this major version or a later one."""

    since: int
    why: str
    file: str
    function: str = ""
    parameters: str = ""


#: Files whose tests have servers of their own, real or scripted, which `--server` does not change.
OWN_SERVERS: Final = frozenset(
    {
        "test_gss.py",
        "test_hostile_answers.py",
        "test_hostile_login.py",
        "test_hostile_messages.py",
        "test_hostile_outgoing.py",
        "test_hostile_replication.py",
        "test_hostile_secrets.py",
        "test_hostile_stalls.py",
        "test_load_equality.py",
        "test_load_foreign.py",
        "test_oauth.py",
        "test_old_servers.py",
        "test_poolers.py",
        "test_protocol_v2.py",
        "test_standby.py",
    }
)
#: More than any version: what is in the servers that pip brings and not in those of npm.
NEVER: Final = 999

WANTS: Final = (
    Want(NEVER, "pgvector", "test_extension_types.py", "test_vectors_are_numpy_arrays"),
    Want(NEVER, "pgvector", "test_extension_types.py", "test_vectors_are_lists_by_policy"),
    Want(NEVER, "pgvector", "test_extension_types.py", "test_vectors_are_loaded"),
    Want(NEVER, "pgvector", "test_extension_types.py", "test_sparse_vectors_are_their_own"),
    Want(11, "domains of composites, arrays of domains", "test_user_types.py"),
    Want(11, "arrays of domains", "test_load.py", "test_enums_and_domains_travel_in_binary"),
    Want(11, "arrays of domains", "test_load_csv.py", "inside_of_others_too", "span[]"),
    Want(11, "arrays of domains", "test_registration.py", "test_functions_on_text_are_used_everywhere"),
    Want(11, "CREATE TRIGGER ... EXECUTE FUNCTION", "test_load_csv.py", "test_an_error_that_is_not_about_the_data"),
    Want(11, "CREATE TRIGGER ... EXECUTE FUNCTION", "test_load_freeze.py", "test_a_csv_file_that_is_read_again"),
    Want(11, "SCRAM-SHA-256-PLUS", "test_login_demands.py", "test_scram_is_bound_to_the_channel", "require"),
    Want(11, "SCRAM-SHA-256-PLUS", "test_login_demands.py", "test_somebody_in_between_is_found_out"),
    Want(11, "SCRAM-SHA-256-PLUS", "test_login_demands.py", "test_an_ssl_context_of_the_programs_own_is_used"),
    Want(11, "pgoutput: TRUNCATE", "test_replication.py", "test_changes_come_as_rows"),
    Want(11, "type names of arrays inside pg_temp", "test_extension_types.py", "test_a_users_type_of_the_same_name"),
    Want(12, "generated columns", "test_load.py", "test_columns_the_server_computes_are_left_out"),
    Want(12, "ALTER TYPE ... ADD VALUE among other statements", "test_registration.py", "test_an_enum_that_grows"),
    Want(12, "ALTER TYPE ... ADD VALUE among other statements", "test_registration.py", "test_enums_are_members"),
    Want(12, "ALTER TYPE ... ADD VALUE among other statements", "test_user_types.py", "test_an_enum_that_has_grown"),
    Want(12, "reply_time of pg_stat_replication", "test_replication.py", "test_positions_are_reported_while_nothing"),
    Want(13, "backup manifests", "test_replication.py", "test_a_base_backup_holds_the_data_directory", "True"),
    Want(13, "xid8", "test_columns.py", "", "xid8"),
    Want(13, "xid8", "test_load_containers.py"),
    Want(13, "xid8", "test_policies.py", "test_lenient_strings_are_taken_at_any_depth", "xid8"),
    Want(12, "the shortest text of a float", "test_parameters.py", "", "float8-9007199254740992"),
    Want(13, "xid8", "test_parameters.py", "", "xid8"),
    Want(14, "multiranges", "test_parameters.py", "", "multirange"),
    Want(14, "multiranges", "test_policies.py", "test_text_of_dates_goes_back_wherever_it_came_from"),
    Want(14, "multiranges", "test_registration.py", "test_functions_on_text_are_used_everywhere"),
    Want(14, "multiranges", "test_user_types.py", "", "multirange"),
    Want(14, "multiranges", "test_user_types.py", "test_a_connection_joins_what_others_have_looked_up"),
    Want(14, "columns of pg_prepared_statements", "test_user_types.py", "test_a_type_is_looked_up_once"),
    Want(14, "columns of pg_prepared_statements", "test_user_types.py", "test_a_lookup_uses_no_operators_of_others"),
    Want(14, "numeric infinity", "test_types.py", "", "numeric-Infinity"),
    Want(14, "numeric infinity", "test_types.py", "", "numeric--Infinity"),
    Want(14, "numeric infinity", "test_columns.py", "", "infinity"),
    Want(14, "the binary form of cube", "test_extension_types.py", "test_types_of_contrib_are_known_by_name", "cube"),
    Want(14, "the binary form of cube", "test_extension_types.py", "test_which_of_them_travel_in_binary"),
    Want(14, "COPY FREEZE that marks pages as visible", "test_load_freeze.py"),
    Want(14, "idle_session_timeout", "test_connection.py", "test_the_server_going_away_ends_the_wait"),
    Want(14, "pg_terminate_backend that waits", "test_copy.py", "test_a_server_lost_during_a_copy_ends_it"),
    Want(14, "pg_terminate_backend that waits", "test_load_errors.py", "test_a_server_that_goes_mid_load"),
    Want(14, "pg_terminate_backend that waits", "test_load_pace.py", "test_a_lost_server_is_noticed"),
    Want(14, "pgoutput: binary", "test_replication.py", "test_values_may_come_in_binary"),
    Want(14, "pgoutput: streaming", "test_replication.py", "test_large_transactions_come_while_they_run"),
    Want(14, "pgoutput: messages", "test_replication.py", "test_messages_and_origins_come_where_they_are_wanted"),
    Want(15, "pgoutput: two_phase", "test_replication.py", "test_prepared_transactions_come_when"),
    Want(15, "numeric of negative scale", "test_columns.py", "", "numeric(3,-2)"),
    Want(15, "numeric of negative scale", "test_columns.py", "", "numeric(2,5)"),
    Want(15, "NULLS NOT DISTINCT", "test_load_conflict.py", "test_nulls_that_are_one_key"),
    Want(15, "numeric of negative scale", "test_cursor.py", "test_the_description_tells_the_columns"),
    Want(15, "errors of cursors that go forwards only", "test_server_cursor.py", "test_a_cursor_may_be_told_to_go_for"),
    Want(16, "a strict xid", "test_load_csv.py", "test_every_kind_takes_what_the_server_takes", "xid"),
    Want(16, 'a "char" in ASCII', "test_load_csv.py", "test_every_kind_takes_what_the_server_takes", '"char"'),
    Want(16, "pgoutput: origin", "test_replication.py", "test_messages_and_origins_come_where_they_are_wanted"),
    Want(16, "pgoutput: streaming in parallel", "test_replication.py", "test_large_transactions", "4-"),
    Want(17, "infinite intervals", "test_load_csv.py", "test_what_the_server_writes_is_read_back"),
    Want(17, "infinite intervals", "test_policies.py", "test_infinite_intervals_go_back_as_they_came"),
    Want(17, "direct TLS", "test_cut.py", "test_a_cut_in_tls_and_scram_is_told", "direct"),
    Want(17, "direct TLS", "test_login_demands.py", "test_tls_may_come_first"),
    Want(18, "protocol 3.2", "test_login_demands.py", "test_version_3_2_has_a_long_key_that_cancels"),
)


def wanted(file: str, name: str) -> int:
    """The first major version that can pass the test of this name, with its parameters, in this file."""
    if file in OWN_SERVERS:
        return NEVER
    function, _, parameters = name.partition("[")
    return max([want.since for want in WANTS if _is_meant(want, file, function, parameters)], default=0)


def _is_meant(want: Want, file: str, function: str, parameters: str) -> bool:
    return want.file == file and want.function in function and want.parameters in parameters
