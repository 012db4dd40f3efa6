//! The adversarial cases: id, a few words, and what holds each.
//!
//! Invariant: an id stands here once, and nothing it names is missing (`cases.rs` looks).

/// One case.
pub(super) struct Case {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    /// Tests of `tests/gateway`; those of another program begin with its name and a slash.
    pub(super) tests: &'static [&'static str],
    /// Promises that try it as well, or alone.
    pub(super) promises: &'static [u8],
}

const fn case(id: &'static str, about: &'static str, tests: &'static [&'static str]) -> Case {
    with(id, about, tests, &[])
}

const fn with(
    id: &'static str,
    about: &'static str,
    tests: &'static [&'static str],
    promises: &'static [u8],
) -> Case {
    Case {
        id,
        about,
        tests,
        promises,
    }
}

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // A. Who is the creator.
    case("A1", "creator header twice", &["creator::header::the_header_twice_is_refused"]),
    case("A3", "creator header respelled", &["creator::header::respelled_headers_are_refused"]),
    case("A5", "case and spaces", &["creator::header::case_and_spaces_do_not_matter"]),
    case("A8", "no creator anywhere", &["creator::sources::a_legacy_connection_is_the_sign_in_tenants_choice"]),
    case("A9", "header and bearer disagree", &[
        "creator::sources::contradicting_sources_are_refused_and_recorded",
        "connection::creator::sources_that_differ_are_refused",
    ]),
    case("A11", "other spellings of an id", &["creator::sources::only_the_dashed_form_is_a_tenant_id"]),
    case("A13", "aliases, nil, *", &[
        "creator::sources::aliases_are_no_creators",
        "connection::creator::a_header_that_names_no_tenant_is_malformed",
        "connection::creator::a_token_of_no_tenant_is_refused",
    ]),
    case("A14", "empty header beside a bearer", &[
        "creator::header::an_empty_header_is_malformed",
        "connection::creator::a_header_that_names_no_tenant_is_malformed",
    ]),
    case("A16", "parameters doubled, respelled", &[
        "creator::sources::parameters_stand_once_and_under_their_own_name",
        "connection::creator::a_path_may_name_the_creator_too",
    ]),
    case("A17", "Authorization doubled, listed", &[
        "connection::bearer::the_header_stands_once",
        "connection::creator::the_header_stands_once_and_holds_one_token",
    ]),
    case("A18", "other schemes, token in the query", &[
        "connection::creator::another_scheme_is_no_token",
        "connection::creator::a_token_in_the_query_is_refused",
    ]),
    // B. Tokens supplied by the caller.
    case("B1", "alg none", &["connection::tokens::header::no_algorithm"]),
    case("B2", "HS256 with the public key", &["connection::tokens::header::another_algorithm"]),
    with("B4", "a storm of unknown key names", &["connection::keys::a_storm_of_unknown_names_costs_one_fetch"], &[3]),
    case("B5", "odd key names", &[
        "connection::tokens::header::a_key_of_another_name",
        "connection::tokens::header::a_key_of_an_endless_name",
    ]),
    case("B6", "jku, x5u, jwk, x5c", &["connection::tokens::header::keys_of_its_own"]),
    case("B9", "issuers that look alike", &["connection::tokens::claims::issuers"]),
    case("B10", "iss and tid disagree", &["connection::tokens::claims::tenants"]),
    case("B12", "tid twice", &["connection::tokens::claims::tenants"]),
    case("B14", "tid of another type", &["connection::tokens::claims::tenants"]),
    case("B15", "audiences", &["connection::tokens::claims::audiences"]),
    case("B16", "exp", &["connection::tokens::claims::times"]),
    case("B17", "nbf, iat", &["connection::tokens::claims::times"]),
    case("B21", "JWE, JSON, nested, zip", &[
        "connection::tokens::header::more_than_a_signature",
        "connection::tokens::spelling::other_forms",
    ]),
    case("B22", "Graph's nonce", &["connection::tokens::claims::graph_tokens_that_do_not_hold"]),
    with("B24", "sizes of tokens", &[
        "connection::tokens::sizes::larger_headers_are_refused",
        "connection::tokens::sizes::larger_tokens_in_bodies_are_refused",
        "connection::tokens::sizes::sixteen_kibibytes_are_accepted",
    ], &[3]),
    case("B26", "spellings of base64", &[
        "connection::tokens::spelling::other_spellings",
        "connection::tokens::spelling::space",
        "connection::tokens::spelling::a_remembered_token_has_one_spelling",
    ]),
    case("B28", "tokens within tokens", &["connection::tokens::spelling::inner_tokens"]),
    case("B31", "signatures removed, swapped", &["connection::tokens::spelling::signatures"]),
    case("B33", "key sets that change or are wrong", &[
        "connection::keys::a_removed_key_verifies_nothing",
        "connection::outage::a_wrong_key_set_keeps_the_previous_one",
        "connection::outage::wrong_metadata_keeps_the_previous_keys",
        "connection::outage::the_key_set_is_empty_at_start",
    ]),
    case("B36", "sign-in token missing, empty, twice", &[
        "connection::places::none_is_missing",
        "connection::places::there_and_not_one_text_is_malformed",
    ]),
    // C. Token replies.
    case("C1", "a foreign token", &["replies::tokens::a_foreign_token_withholds_the_whole_reply"]),
    case("C2", "gzip unasked", &["replies::coding::gzip_is_decoded"]),
    case("C3", "other codings", &["replies::coding::other_codings_are_refused"]),
    with("C6", "gzip bombs", &["replies::coding::a_bomb_is_cut_off"], &[3, 6]),
    case("C8", "gzip that is broken", &["replies::coding::broken_gzip_is_refused"]),
    case("C9", "other content types", &["replies::documents::content_types_do_not_matter"]),
    case("C10", "other character sets", &[
        "replies::coding::only_utf8_is_read",
        "replies::coding::a_charset_that_reads_ascii_differently_is_refused",
    ]),
    case("C14", "members twice", &["replies::documents::a_member_twice_is_refused"]),
    case("C17", "tokens that disagree", &["replies::tokens::tokens_that_disagree_are_blocked"]),
    case("C18", "personal account", &["replies::tokens::a_personal_account_is_known_by_its_id_token"]),
    case("C19", "opaque tokens", &["replies::tokens::what_names_no_tenant_is_blocked"]),
    case("C20", "Azure DevOps", &["replies::non_entra::azure_devops_passes_with_one_warning"]),
    case("C23", "encrypted access tokens", &[
        "replies::tokens::what_names_no_tenant_is_blocked",
        "replies::tokens::an_id_token_speaks_for_what_cannot_be_read",
    ]),
    case("C25", "a refresh token alone", &["replies::tokens::what_names_no_tenant_is_blocked"]),
    case("C26", "guest", &["rows::a_guest_is_of_the_tenant_signed_in_to"]),
    case("C28", "errors pass unchanged", &["replies::passing::errors_pass_unchanged"]),
    case("C29", "errors with tokens", &["replies::tokens::an_error_may_carry_a_token"]),
    with("C31", "redirects", &["replies::broken::redirects_are_refused"], &[6]),
    with("C34", "replies that break off", &[
        "replies::broken::a_reply_that_breaks_off_is_refused",
        "replies::connections::a_reset_in_the_middle_is_refused",
    ], &[6]),
    with("C35", "chunks that are none", &["replies::broken::bad_chunks_are_refused"], &[6]),
    with("C37", "over the cap", &[
        "replies::broken::replies_over_the_cap_are_refused",
        "replies::coding::the_cap_counts_decoded_bytes",
    ], &[6]),
    with("C38", "a byte at a time", &["replies::broken::a_slow_reply_ends_at_the_total_deadline"], &[6]),
    case("C43", "broken text", &["replies::documents::broken_text_is_refused"]),
    case("C45", "allowed replies byte for byte", &[
        "replies::passing::an_allowed_reply_is_byte_identical",
        "replies::passing::a_token_reply_is_never_stored",
    ]),
    // D. Other endpoints a real client touches.
    case("D1", "clients that follow discovery", &[
        "discovery::flows::a_client_that_follows_discovery_stays_here",
        "msal::every_grant_at_a_tenant",
        "msal::every_grant_at_common",
    ]),
    case("D2", "odd metadata", &[
        "discovery::doubtful::odd_endpoints_are_rewritten",
        "discovery::doubtful::doubtful_metadata_is_withheld",
        "discovery::doubtful::what_is_no_metadata_is_withheld",
    ]),
    case("D4", "device flow", &["discovery::flows::the_device_flow_is_decided_at_its_end"]),
    case("D5", "every token path", &["discovery::flows::no_token_path_escapes"]),
    case("D7", "every grant", &["replies::passing::every_grant_is_inspected"]),
    // E. Request line, headers, framing.
    with("E1", "dot segments", &["bad_input::targets::paths_are_plain"], &[8]),
    with("E2", "escapes, empty segments, parameters", &["bad_input::targets::paths_are_plain"], &[8]),
    with("E6", "absolute form", &["bad_input::targets::hosts_are_plain"], &[8]),
    with("E7", "hosts", &[
        "bad_input::targets::hosts_are_plain",
        "bad_input::http2::a_second_host_is_refused",
    ], &[8]),
    with("E9", "CONNECT", &[
        "bad_input::targets::connect_is_refused",
        "bad_input::http2::connect_is_refused",
    ], &[8]),
    with("E10", "other methods, long and odd ones", &[
        "bad_input::bodies::other_methods_are_refused_and_recorded",
        "bad_input::targets::odd_methods_are_refused",
    ], &[8]),
    case("E11", "GET, HEAD, OPTIONS, preflight", &[
        "bad_input::bodies::other_methods_are_refused_and_recorded",
        "connection::documents::other_methods_are_refused",
    ]),
    with("E13", "upgrades, pipelining", &["bad_input::framing::pipelined_requests_are_judged_one_by_one"], &[8]),
    with("E15", "length beside chunks", &[
        "bad_input::framing::ambiguous_framing_is_refused",
        "bad_input::framing::a_length_beside_chunks_smuggles_nothing",
    ], &[8]),
    with("E16", "odd transfer codings", &["bad_input::framing::ambiguous_framing_is_refused"], &[8]),
    with("E18", "odd lengths", &["bad_input::framing::ambiguous_framing_is_refused"], &[8]),
    with("E21", "large heads", &[
        "bad_input::targets::heads_are_bounded",
        "bad_input::streams::too_many_headers_are_refused",
        "bad_input::floods::endless_and_exploding_heads_are_refused",
    ], &[3]),
    case("E22", "large bodies", &[
        "bad_input::bodies::oversized_bodies_are_refused",
        "connection::documents::bodies_too_large_are_refused",
    ]),
    case("E25", "JSON of two readings", &[
        "connection::documents::bodies_with_two_readings_are_refused",
        "connection::documents::bodies_arrive_byte_for_byte",
    ]),
    with("E28", "malformed HTTP/2", &["bad_input::http2::malformed_requests_are_errors"], &[8]),
    case("E30", "cookies; two users, one connection", &[
        "replies::passing::cookies_travel_where_configured",
        "bad_input::http2::streams_do_not_mix",
    ]),
    // F. Policy, cache, admin.
    case("F1", "the whole truth table", &[
        "unit/core::isolation::tests::oracle::f1_the_whole_truth_table",
        "rows::every_combination_is_as_the_oracle_says",
        "rows::every_documented_row_over_both_protocols",
    ]),
    case("F2", "one way allowed", &[
        "unit/core::isolation::tests::rule::documented_rows",
        "rows::every_documented_row_over_both_protocols",
    ]),
    case("F3", "* inbound only", &[
        "unit/core::isolation::tests::rule::rule_4_the_allowlist",
        "rows::every_combination_is_as_the_oracle_says",
    ]),
    case("F5", "entries while Off act once On", &["reload::entries_act_once_isolation_is_on"]),
    case("F7", "no record, or no answer about it", &[
        "rows::absent_policies_may_count_as_on",
        "replies::early::an_unreadable_policy_is_a_503",
        "policies/broken::without_a_last_good_policy_the_exchange_must_wait",
    ]),
    case("F8", "domains in entries", &[
        "policy_api::domains::a_domain_is_stored_as_its_tenants_id",
        "policy_api::domains::a_name_that_is_no_domain_of_a_tenant_is_refused",
        "policy_api::domains::a_domain_of_personal_accounts_is_refused",
    ]),
    case("F11", "wrong documents", &["policy_api::documents::a_wrong_document_leaves_the_policy_in_force"]),
    case("F12", "broken files", &[
        "reload::a_broken_file_keeps_the_last_good_policy",
        "reload::a_broken_policy_prevents_the_start",
    ]),
    case("F15", "deny acts everywhere at once", &[
        "reload::a_change_acts_on_connections_and_streams_that_are_open",
        "reload::an_exchange_under_way_is_decided_by_the_new_policy",
        "policy_api::flows::the_very_next_exchange_under_load_as_well",
    ]),
    case("F17", "allow acts as fast", &[
        "reload::a_change_acts_on_connections_and_streams_that_are_open",
        "policy_api::flows::the_very_next_exchange_is_decided_by_what_was_put",
    ]),
    case("F21", "who may write", &[
        "policy_api::who::an_administrator_has_a_role_in_the_tenant",
        "policy_api::who::an_operator_has_a_certificate_or_the_token",
        "policy_api::who::a_token_is_verified",
    ]),
    case("F22", "paths of policies", &["policy_api::hostile::no_path_leads_round_the_id"]),
    // G. Leakage.
    with("G1", "canaries in every output", &["harness::secrets::a_secret_is_found_in_every_spelling"], &[2]),
    with("G2", "errors name no secret", &["replies::connections::an_unreachable_provider_is_a_502"], &[2]),
    with("G4", "odd texts in records", &["bad_input::bodies::odd_texts_make_one_good_record_line"], &[2]),
    // H. TLS, SSRF.
    with("H1", "bad certificates upstream", &[
        "replies::connections::a_provider_with_a_bad_certificate_hears_nothing",
        "rotation::upstream::keys_are_not_fetched_from_a_server_with_a_bad_certificate",
    ], &[9]),
    with("H2", "old protocols, weak suites", &[
        "tls::handshakes::protocols_of_the_past_are_refused",
        "tls::scanners::sslyze_finds_nothing",
    ], &[9]),
    with("H5", "client certificates", &[
        "rotation::clients::no_handshake_without_a_good_certificate",
        "creator::trust::a_client_certificate_makes_a_peer_trusted",
    ], &[9]),
    with("H6", "keys from elsewhere", &["connection::outage::wrong_metadata_keeps_the_previous_keys"], &[9]),
    with("H10", "broken pairs at rotation", &["rotation::listeners::a_broken_pair_is_kept_out_and_told_of_once"], &[4]),
    with("H11", "handshakes that are none", &[
        "lifecycle::limits::what_is_no_handshake_is_closed",
        "tls::handshakes::a_slow_hello_is_closed_in_time",
        "tls::handshakes::a_hello_in_pieces_ends",
        "tls::handshakes::a_goodbye_in_a_handshake_ends_it",
    ], &[5, 9]),
    // I. Denial of service.
    with("I1", "slow headers", &["lifecycle::limits::silent_connections_are_closed"], &[5]),
    with("I2", "slow bodies", &["bad_input::bodies::slow_bodies_are_refused"], &[5]),
    with("I5", "rapid reset and other floods", &[
        "bad_input::floods::streams_that_are_reset_at_once_end_the_connection",
        "bad_input::floods::floods_of_frames_do_not_keep_others_out",
    ], &[3]),
    with("I10", "answers that nobody takes", &[
        "bad_input::streams::an_answer_that_is_not_taken_is_not_kept",
        "bad_input::streams::an_answer_that_is_hardly_read_is_not_kept",
    ], &[3, 5]),
    with("I11", "connections above the limit", &["lifecycle::limits::connections_above_the_limit_are_closed"], &[7]),
    with("I12", "clients that leave", &[
        "bad_input::disconnects::a_client_may_leave_while_it_sends",
        "bad_input::disconnects::a_client_may_leave_while_the_provider_thinks",
        "bad_input::disconnects::a_client_may_leave_before_it_reads",
        "bad_input::disconnects::a_stream_may_be_reset_while_the_provider_thinks",
    ], &[5]),
];
