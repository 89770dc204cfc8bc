"""Who owns which scenario of other bots' failures (S1-S31), formula (F1-F16) and fault (F01-F70) of the reference notes.

Tests are named without their files, so that they may move. A scenario has tests in the core that carry its number; where the core
cannot express it, or not all of it, `beyond` names tests elsewhere, and `later` says in one line what is still to come and why the core
cannot have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """What happened elsewhere, and the tests that show that it does not happen here."""

    what: str
    core: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    later: str = ""


SCENARIOS: Mapping[int, Scenario] = {
    1: Scenario(
        "a timeout hides an accepted order",
        (
            "test_s1_a_lost_answer_is_asked_about_and_never_repeated",
            "test_s1_every_call_times_out_and_the_positions_are_one_hedge_all_the_same",
        ),
        ("test_an_accepted_order_whose_answer_was_lost_is_unknown_then_found",),
    ),
    2: Scenario(
        "a late acceptance and a duplicate id make a live order rejected",
        (
            "test_s2_f10_a_duplicate_id_told_after_the_acceptance_never_makes_a_live_order_refused",
            "test_s2_f10_a_refusal_told_of_an_order_in_doubt_proves_nothing",
        ),
        ("test_a_repeated_client_order_id_is_never_a_refusal",),
    ),
    3: Scenario(
        "a fast fill is in no list and is taken for refused",
        ("test_s3_an_order_that_filled_at_once_and_is_in_no_list_is_not_taken_for_refused",),
        (
            "test_absence_among_many_other_fills_is_still_absence",
            "test_s3_an_order_that_filled_at_once_is_in_no_list_of_open_ones_and_is_found_all_the_same",
        ),
    ),
    4: Scenario(
        "reconciliation makes the wrong position",
        (
            "test_s4_fills_shuffled_doubled_and_dropped_end_at_what_the_venue_has",
            "test_s4_an_unexplained_position_is_adopted_only_after_two_readings_that_agree",
            "test_s4_a_position_from_before_is_adopted_told_and_used",
        ),
        ("test_crash_after_crash_within_one_deposit_converges",),
    ),
    5: Scenario(
        "a failed position query is read as flat",
        (
            "test_s5_a_failed_reading_is_never_flat",
            "test_s5_f26_nothing_is_taken_for_flat_while_a_venue_is_halted_or_unread",
        ),
        ("test_a_well_formed_empty_list_of_positions_is_not_flat_while_margin_is_held",),
    ),
    6: Scenario(
        "a hedge is doubled because the position lags",
        (
            "test_s6_a_position_that_lags_behind_its_fills_is_not_hedged_again",
            "test_s1_s6_i01_collateral_that_only_grows_is_never_hedged_beyond_the_band",
        ),
    ),
    7: Scenario(
        "one leg fills, the other does not",
        (
            "test_s7_a_refused_order_rests_and_others_take_over",
            "test_s7_the_reducing_leg_is_what_certain_fills_over_hedge_and_no_more",
            "test_s7_a_first_leg_that_fills_nothing_opens_no_delta",
            "test_s7_a_second_leg_in_doubt_is_not_repeated_elsewhere",
            "test_s7_a_second_leg_that_is_refused_or_fills_in_part_leaves_the_rest_to_the_next_decision",
        ),
        ("test_all_venues_refusing_for_want_of_margin_does_not_storm",),
    ),
    8: Scenario(
        "funding is booked wrongly",
        (
            "test_s8_funding_is_entered_once_through_replays_restarts_and_a_gap_and_agrees_with_the_venue",
            "test_s8_one_venue_every_hour_another_every_eight_and_a_gap_while_the_bot_was_down",
            "test_s8_a_payment_is_entered_once_however_often_it_is_told",
        ),
        (
            "test_payments_are_entered_once_also_over_restarts_and_long_rests",
            "test_s8_payments_read_twice_are_the_same_payments",
        ),
    ),
    9: Scenario(
        "the funding interval is not 8 h",
        (
            "test_s9_the_interval_shrinks_from_eight_hours_to_one_while_a_position_is_open",
            "test_s9_the_interval_may_change_while_a_position_is_open",
        ),
        ("test_intervals_are_what_the_venue_tells",),
    ),
    10: Scenario(
        "an exit by funding churns or loses to fees",
        (
            "test_s10_a_funding_flip_moves_hedges_and_they_come_back_only_with_hysteresis",
            "test_s10_a_sign_that_swings_moves_nothing",
            "test_s10_a_failed_reading_of_funding_is_a_visible_state",
            "test_s10_a_missing_rate_is_no_flip_and_no_news",
            "test_f30_a_rate_that_swings_every_minute_flips_nothing",
        ),
    ),
    11: Scenario(
        "a stream stops silently",
        (
            "test_s11_f20_a_socket_that_repeats_the_same_stale_book_takes_no_order_and_its_short_still_counts",
            "test_s11_all_streams_stop_together_and_readings_and_questions_go_on",
            "test_s11_a_silent_stream_stops_no_reduction_at_the_other_venues",
        ),
        (
            "test_half_open_sockets_are_found_and_replaced",
            "test_a_silent_topic_on_a_living_socket_is_subscribed_anew",
        ),
    ),
    12: Scenario(
        "the private stream dies",
        (
            "test_s12_fills_that_a_dead_private_stream_never_told_are_found_and_a_reading_comes_before_the_next_increase",
            "test_s12_a_reading_asked_for_before_a_silence_does_not_end_it",
        ),
        ("test_pitfall_08_an_expired_listen_key_is_heard_and_replaced", "test_pitfall_08_the_listen_key_is_kept_alive_by_us"),
    ),
    13: Scenario(
        "a rate limit or a ban stops all",
        (
            "test_s13_a_budget_used_up_by_increases_leaves_room_for_reductions_and_questions",
            "test_s13_f41_a_ban_rests_its_venue_and_others_take_over_without_a_storm",
        ),
        ("test_a_ban_closes_the_gate_for_everything", "test_reads_never_use_what_is_reserved_for_cancels"),
    ),
    14: Scenario(
        "minimum notional blocks the close",
        (
            "test_s14_dust_is_left_alone_and_never_looped_on",
            "test_s14_a_reduction_needs_no_minimum_notional",
        ),
    ),
    15: Scenario(
        "a reduce-only order is rejected or blocked",
        (
            "test_s15_a_buy_back_beyond_what_is_held_goes_to_the_others_and_never_flips",
            "test_s15_a_resting_reduction_is_withdrawn_before_another_is_sent",
            "test_f17_a_reduction_refused_because_nothing_is_left_is_read_and_not_repeated",
        ),
        (
            "test_reduce_only_never_turns_a_position_round",
            "test_s15_a_close_beyond_what_is_held_never_opens_the_other_side",
            "test_reduce_only_and_post_only_together_only_reduce",
        ),
    ),
    16: Scenario(
        "position mode or leverage are not as thought",
        (
            "test_s16_f44_an_account_that_refuses_every_increase_may_still_be_reduced_at_once",
            "test_s16_an_account_that_refuses_every_increase_is_filled_from_the_others",
            "test_s16_refused_increases_rest_increases_and_only_refused_reductions_rest_reductions",
        ),
        (
            "test_open_twice_finds_everything_already_set",
            "test_a_refused_leverage_is_a_warning_only_beside_a_position",
        ),
    ),
    17: Scenario(
        "contract size",
        (
            "test_s17_orders_are_in_base_units_whatever_a_contract_is",
            "test_s17_a_linear_order_is_never_larger_than_asked_and_misses_less_than_a_lot",
            "test_s17_an_inverse_order_is_never_larger_than_asked",
        ),
        ("test_contract_size_is_applied_once_for_any_size",),
    ),
    18: Scenario(
        "testnet traps: private calls reach the wrong hosts",
        (),
        (
            "test_everything_that_ccxt_asks_for_fits_its_environment",
            "test_what_a_mainnet_client_asks_for_in_private_cannot_leave_another_environment",
            "test_without_the_header_that_tells_a_shared_host_apart_nothing_leaves",
            "test_a_private_frame_leaves_over_a_private_socket_only",
            "test_unlisted_host_is_refused_before_anything_leaves",
        ),
    ),
    19: Scenario(
        "memory grows",
        (),
        (
            "test_an_hour_of_quiet_costs_little_and_loses_nothing",
            "test_whatever_comes_and_goes_the_limits_hold_and_nothing_stays_behind",
            "test_pitfall_20_what_ccxt_keeps_is_bounded_and_subscriptions_made_anew_leave_nothing_behind",
        ),
        "the soak with flat RSS and object counts is of the running process, which the core is not: issue 5",
    ),
    20: Scenario(
        "a shutdown leaves orders",
        ("test_s20_stop_places_nothing_cancels_what_works_and_asks_about_doubts",),
        (
            "test_sigterm_asks_a_run_to_end_in_order",
            "test_a_crash_at_any_point_doubles_nothing",
            "test_a_cancel_goes_out_for_an_order_that_works_at_the_stop",
        ),
    ),
    21: Scenario(
        "two instances on one account",
        (
            "test_s21_two_instances_on_one_account_see_each_others_orders_as_foreign_and_add_no_more",
            "test_s21_a_second_instance_on_a_new_journal_adopts_what_is_there_and_repeats_nothing",
        ),
        (
            "test_a_second_holder_is_refused_until_the_first_lets_go",
            "test_a_leader_that_was_frozen_sends_nothing_when_it_goes_on",
            "test_the_leader_is_killed_and_the_other_one_hedges_again_within_ten_seconds",
        ),
    ),
    22: Scenario(
        "deleveraging or liquidation go unseen",
        (
            "test_s22_f33_a_partial_deleveraging_is_hedged_again_elsewhere",
            "test_s22_a_deleveraging_that_nobody_told_is_found_by_two_readings",
            "test_f35_a_liquidation_is_told_as_one",
        ),
        (
            "test_a_deleveraged_short_is_hedged_again_whether_or_not_the_stream_told",
            "test_s22_a_position_that_shrank_without_an_order_of_ours_is_read_as_it_is",
        ),
    ),
    23: Scenario(
        "clocks differ",
        (
            "test_s23_f46_a_skewed_clock_blocks_increases_at_its_venue_and_never_reductions",
            "test_s23_absence_is_proven_later_when_clocks_differ",
        ),
        (
            "test_a_clock_that_is_wrong_by_minutes_still_signs_right",
            "test_s23_a_clock_ten_seconds_off_either_way_signs_right_and_is_told",
            "test_what_delays_an_order_before_it_is_signed_shortens_its_window_or_ends_it",
        ),
    ),
    24: Scenario(
        "tick or lot change while running",
        (
            "test_s24_f18_a_lot_that_changes_while_running_rounds_the_next_order",
            "test_s24_a_contract_size_that_changes_leaves_positions_in_base_units_as_they_are",
        ),
        ("test_an_instrument_whose_terms_change_is_told_within_minutes_and_unchanged_ones_are_no_news",),
    ),
    25: Scenario(
        "a kill switch fires wrongly or stays silent",
        (
            "test_s25_a_transfer_of_margin_is_no_loss_and_no_profit",
            "test_s25_a_withdrawal_of_nearly_all_collateral_is_a_smaller_hedge_and_no_alarm_of_loss",
            "test_s25_a_margin_that_nobody_tells_is_a_state_of_its_own_and_only_of_its_venue",
            "test_s25_trouble_of_one_venue_does_not_latch_the_whole_book",
        ),
        ("test_a_mistake_of_ours_in_a_step_ends_the_run_and_does_not_poison_the_next",),
    ),
    26: Scenario(
        "a slow start blocks protection",
        (
            "test_s26_protection_waits_for_no_history_and_what_adds_risk_does",
            "test_s26_after_a_restart_one_confirmed_total_is_enough_to_take_risk_off",
        ),
        ("test_one_venue_that_cannot_be_used_leaves_the_others_hedging",),
    ),
    27: Scenario(
        "a store fails, evicts, or holds an old schema",
        (),
        (
            "test_while_the_journal_takes_nothing_no_order_leaves_and_questions_do",
            "test_a_journal_that_has_given_up_ends_the_run",
        ),
        "there is no Redis yet, and the core does no IO: issue 5",
    ),
    28: Scenario(
        "a fill before its acknowledgement, or after its cancel",
        (
            "test_s28_fill_before_acknowledgement_and_twice_and_then_the_report",
            "test_s28_in_whatever_order_ack_fill_cancel_and_its_refusal_are_told_the_end_is_the_same",
            "test_s28_f16_f24_in_whatever_order_news_comes_the_end_is_the_same",
            "test_s28_f16_a_fill_crosses_its_own_cancel_and_is_not_hedged_again",
        ),
    ),
    29: Scenario(
        "one client id, two orders at the venue",
        (
            "test_s29_a_second_order_of_the_venue_under_one_id_of_ours_is_foreign_however_ours_ended",
            "test_s29_both_orders_in_the_first_reading_after_a_lost_answer",
            "test_s29_what_a_second_order_under_our_id_fills_counts_beside_ours_and_not_as_ours",
        ),
        (
            "test_one_call_is_one_wire_attempt_also_on_a_reused_connection",
            "test_pitfall_01_an_order_on_a_kept_connection_that_drops_is_one_order",
        ),
    ),
    30: Scenario(
        "rounding closes too much",
        (
            "test_s30_closing_a_position_of_whole_lots_closes_exactly_it",
            "test_s30_rounding_goes_where_its_name_says_by_less_than_a_step",
            "test_s14_s30_what_is_less_than_a_contract_is_told_as_dust_and_not_looped_on",
        ),
    ),
    31: Scenario(
        "the liquidation price of a short is inverted",
        (
            "test_s31_a_short_is_liquidated_above_its_entry_and_only_there",
            "test_s31_distance_of_a_short_shrinks_as_the_price_rises",
            "test_s31_a_short_is_liquidated_above_its_mark_and_the_distance_shrinks_as_the_price_rises",
        ),
    ),
}
"""Every scenario of the notes, by its number."""

BY_ANOTHER_NAME = frozenset(
    {
        "test_f30_a_rate_that_swings_every_minute_flips_nothing",
        "test_f17_a_reduction_refused_because_nothing_is_left_is_read_and_not_repeated",
        "test_f35_a_liquidation_is_told_as_one",
        "test_s14_s30_what_is_less_than_a_contract_is_told_as_dust_and_not_looped_on",
    }
)
"""Tests of the core that show a scenario and are named after the fault behind it."""

AT_EVERY_VENUE: Mapping[int, tuple[str, ...]] = {
    1: ("test_an_accepted_order_whose_answer_was_lost_is_unknown_then_found",),
    2: ("test_a_repeated_client_order_id_is_never_a_refusal",),
    3: ("test_s3_an_order_that_filled_at_once_is_in_no_list_of_open_ones_and_is_found_all_the_same",),
    5: ("test_a_well_formed_empty_list_of_positions_is_not_flat_while_margin_is_held",),
    8: ("test_s8_payments_read_twice_are_the_same_payments", "test_funding_as_the_venue_tells_it"),
    9: ("test_s9_an_interval_that_the_venue_changes_is_read_anew_while_a_position_is_open",),
    11: ("test_half_open_sockets_are_found_and_replaced", "test_a_silent_topic_on_a_living_socket_is_subscribed_anew"),
    12: ("test_cut_sockets_are_down_and_come_back_through_down", "test_lost_private_events_are_in_the_next_reading"),
    13: ("test_too_many_requests_are_no_order_and_pass",),
    14: ("test_s14_the_last_lot_of_a_position_can_be_closed_whatever_the_smallest_order_is_worth",),
    15: ("test_reduce_only_never_turns_a_position_round", "test_s15_a_close_beyond_what_is_held_never_opens_the_other_side"),
    16: ("test_open_twice_finds_everything_already_set", "test_a_refused_leverage_is_a_warning_only_beside_a_position"),
    17: ("test_immediate_or_cancel",),
    18: ("test_everything_that_ccxt_asks_for_fits_its_environment", "test_a_private_frame_leaves_over_a_private_socket_only"),
    19: ("test_pitfall_20_what_ccxt_keeps_is_bounded_and_subscriptions_made_anew_leave_nothing_behind",),
    22: ("test_deleveraging_is_a_fill_of_its_own_kind_by_stream_and_by_reading",),
    23: ("test_s23_a_clock_ten_seconds_off_either_way_signs_right_and_is_told",),
    24: (
        "test_describing_again_tells_what_the_venue_changed_and_rounds_by_it",
        "test_s24_what_the_old_step_made_is_refused_and_the_next_order_has_the_new_one",
    ),
    28: (
        "test_events_may_come_before_the_acknowledgement_of_their_order",
        "test_reordered_private_events_are_told_as_they_come_with_totals",
    ),
    29: ("test_pitfall_01_an_order_on_a_kept_connection_that_drops_is_one_order",),
}
"""The scenarios that are the adapter's as well, with tests that run before each venue's own dialect."""

FORMULAS: Mapping[int, tuple[str, tuple[str, ...]]] = {
    1: ("tests/core/test_rates.py", ("0.0095", "0.0011875", "118.75")),
    2: ("tests/core/test_rates.py", ("0.1095", "0.1157", "0.00017123", "1.500")),
    3: ("tests/core/test_tiers.py", ("1.81", "0.56", "0.0125", "53125", "28125", "1312500")),
    4: ("tests/core/test_liquidation.py", ("59455.4455", "5445.54", "59405.9406")),
    5: ("tests/core/test_liquidation.py", ("99500.00", "66333.33", "55277.78", "55248.62", "5739.50")),
    6: ("tests/core/test_margin.py", ("0.25",)),
    7: ("tests/core/test_margin_liquidation.py", ("16.7", "2.65", "1.87", "1.44", "1.22")),
    8: ("tests/core/test_reserve.py", ("21", "30", "42", "73")),
    9: ("tests/core/test_reserve.py", ("4800", "92", "46", "366")),
    10: ("tests/core/test_switching.py", ("10.9", "4.4", "36.5", "14.6", "0.0217", "0.0434", "0.0723", "5.7", "2.5", "1.2")),
    11: ("tests/core/test_band.py", ("0.3467", "0.0216", "0.0295", "0.0373", "0.508", "0.0155")),
    12: ("tests/core/test_slicing.py", ("248.95",)),
    13: ("tests/core/test_carry.py", ("0.115",)),
    14: ("tests/core/test_capacity.py", ("7.7", "25")),
    15: ("tests/core/test_vesting.py", ("80_000", "60_000")),
    16: ("tests/core/test_carry.py", ("0.053", "0.063")),
}
"""By formula of the domain notes, the file of its test and the figures of its vector as they are written there."""
