"""Who owns each fault F01-F70 of the notes on reliability: chaos (struck in every campaign), one test by its name, or a later issue.
F71-F75 are chaos's own: what happens to two instances that share a store, where those notes name only what comes of it (F55-F59).

A fault has one owner. What chaos owns has at least one strike under its number, and has to fire in the seeds of the tests. A test is named
without its file, so that it may move. Faults of how codes and frames are read belong to the adapters' tests: chaos begins above them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """Who tries a fault. Of LATER, `by` names the issue."""

    CHAOS = "chaos"
    TEST = "test"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what happens, who owns it, and by which test, or in which issue."""

    what: str
    owner: Owner = Owner.CHAOS
    by: str = ""


def _test(what: str, by: str) -> Fault:
    return Fault(what, Owner.TEST, by)


def _later(what: str, by: str) -> Fault:
    return Fault(what, Owner.LATER, by)


FAULTS: Mapping[int, Fault] = {
    1: Fault("no answer, the order was accepted"),
    2: Fault("no answer, the order never arrived"),
    3: Fault("no answer, the order arrives late"),
    4: Fault("503: unknown, accepted or not"),
    5: _test("codes that leave the outcome unknown", "test_everything_else_is_unknown_whatever_its_class"),
    6: _test("an error code that nobody listed", "test_a_code_nobody_listed_proves_nothing"),
    7: Fault("an answer that cannot be read, after the acceptance"),
    8: _test("valid JSON of a wrong shape", "test_nothing_handed_to_the_wire_is_proof"),
    9: Fault("no connection before anything was sent"),
    10: _test("a duplicate id refused", "test_s2_f10_a_duplicate_id_told_after_the_acceptance_never_makes_a_live_order_refused"),
    11: _test("an id taken again after its fill", "test_f11_an_id_that_was_filled_is_never_sent_again_whatever_the_venue_says_of_it"),
    12: _test("a batch that fails in part", "test_f12_no_port_sends_orders_in_batches"),
    13: Fault("acknowledged, then rejected"),
    14: Fault("filled in part, then over"),
    15: Fault("a cancel that finds no order though there is one"),
    16: Fault("a cancel and a fill cross"),
    17: Fault("a reduction that finds nothing to reduce"),
    18: Fault("lot, tick or minimum change, or trading halts"),
    19: Fault("no margin at one account"),
    20: Fault("a socket that is open and silent"),
    21: Fault("reports told twice"),
    22: Fault("reports out of order"),
    23: Fault("reports that never come"),
    24: Fault("a fill before its acknowledgement"),
    25: Fault("one reading that is wrong"),
    26: Fault("an empty list of positions"),
    27: Fault("positions from a cache"),
    28: Fault("one venue's marks run away"),
    29: Fault("prices that are none"),
    30: Fault("funding flips, changes its interval, is not told"),
    31: Fault("a deposit told twice, late, or reversed; a silent source"),
    32: Fault("a deposit that is forged, unknown, poison or huge"),
    33: Fault("deleveraged"),
    34: Fault("deleveraged again and again"),
    35: Fault("liquidated"),
    36: Fault("an outage"),
    37: Fault("orders unanswered, questions answered"),
    38: Fault("orders answered, questions unanswered"),
    39: _test("a venue that keeps what is ours", "test_c14_a_venue_that_holds_too_much_of_all_that_is_owned_takes_no_increase"),
    40: Fault("maintenance, or reductions only"),
    41: Fault("banned for too many requests"),
    42: Fault("the key is revoked"),
    43: Fault("somebody else trades on the account"),
    44: Fault("position mode or leverage changed outside"),
    45: Fault("a dead-man's switch fires"),
    46: Fault("the host's clock steps"),
    47: Fault("the process is paused for a minute"),
    48: _test("an instant in another unit", "test_f48_an_instant_in_another_unit_is_never_taken_for_milliseconds"),
    49: Fault("a crash at any point"),
    50: Fault("the store takes nothing"),
    51: Fault("the store is slow"),
    52: _test("the disk is full", "test_a_full_disk_is_said_and_nothing_is_lost_when_it_clears"),
    53: _test("a corrupt journal", "test_damage_in_the_middle_refuses_the_journal_unchanged"),
    54: Fault("a torn tail of the journal"),
    55: Fault("the store is rolled back"),
    56: Fault("the lease is held twice"),
    57: Fault("the store's counter repeats"),
    58: _test("two instances on one journal", "test_a_second_holder_is_refused_until_the_first_lets_go"),
    59: _test("an old version beside the new", "test_the_first_gets_it_and_the_second_is_told_who_has_it_and_for_how_long"),
    60: Fault("SIGTERM mid-order, SIGKILL in the shutdown"),
    61: _test("out of memory", "test_ended_ten_times_at_random_moments_while_what_is_held_changes_it_hedges_once"),
    62: Fault("a background task dies"),
    63: Fault("the loop is blocked"),
    64: _test("a queue overruns", "test_a_queue_that_overruns_ends_the_loop_and_not_silently"),
    65: _later("the disk of the logs is full", "7, operation"),
    66: _test("a scrape of metrics hangs", "test_metrics_are_rendered_off_the_loop"),
    67: _later("a configuration is reloaded with bad values", "7, operation"),
    68: Fault("two kills, one while a venue is down"),
    69: _test("a page instead of an answer", "test_a_page_that_is_no_answer_proves_nothing"),
    70: Fault("venues clogged one by one, released in another order"),
    71: Fault("of two instances one is killed"),
    72: Fault("of two instances the one that sends is stopped, and wakes up"),
    73: Fault("the store does not answer the instance that sends, and answers the other"),
    74: Fault("a failover loses acknowledged entries and the newest lease"),
    75: Fault("the clocks of one of two hosts are off"),
}
"""By number."""

OF_CHAOS: tuple[int, ...] = tuple(number for number, fault in FAULTS.items() if fault.owner is Owner.CHAOS)
"""The faults that every campaign has to strike."""
