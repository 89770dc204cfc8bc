"""Allocations by example: what goes where, and which limit is named for it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest

from bot.core.allocation import allocate
from bot.core.allocation_terms import NO_INSTRUMENT, Binding, Bound, Candidate, Problem, Requirement, Solution, VenueRoom
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.allocation_cases import with_shorts

D = Decimal


def bound(limit: str, most: str) -> tuple[Bound, ...]:
    return (Bound(limit=limit, most=D(most)),)


def at(name: str, short: str = "0", **fields: object) -> Candidate:
    """A candidate named `<venue>:<asset>`; strings become Decimals."""
    venue, asset = name.split(":")
    given = {k: D(v) if isinstance(v, str) and k != "frozen" else v for k, v in fields.items()}
    return Candidate(instrument=InstrumentId(name), asset=Asset(asset), venue=VenueId(venue), short=D(short), **given)


def problem(candidates: list[Candidate], required: dict[str, str], **fields: object) -> Problem:
    requirements = tuple(Requirement(asset=Asset(a), required=D(r)) for a, r in required.items())
    return Problem(candidates=tuple(candidates), requirements=requirements, **fields)


def room(venue: str, **bounds: tuple[Bound, ...]) -> VenueRoom:
    return VenueRoom(venue=VenueId(venue), **bounds)


def shares(solution: Solution) -> dict[str, str]:
    return {p.instrument: f"{p.short:f}" for p in solution.portions}


def limits(solution: Solution, instrument: str) -> list[str]:
    return [f"{b.limit} of {b.subject}" for p in solution.portions if p.instrument == instrument for b in p.limits]


ONE_SHORT = {"E": "100"}
BINDING = [
    (problem([at("a:E", bounds=bound("open_interest_share", "70"))], ONE_SHORT), "open_interest_share of a:E"),
    (problem([at("a:E", bounds=bound("instrument_notional", "70"))], ONE_SHORT), "instrument_notional of a:E"),
    (problem([at("a:E", "70", frozen="in_doubt")], ONE_SHORT), "in_doubt of a:E"),
    (problem([at("a:E")], ONE_SHORT, venues=(room("a", notional=bound("venue_share", "70")),)), "venue_share of a"),
    (problem([at("a:E")], ONE_SHORT, venues=(room("a", notional=bound("leverage", "70") + bound("venue_share", "71")),)), "leverage of a"),
    (problem([at("a:E", margin_use="0.1")], ONE_SHORT, venues=(room("a", margin=bound("margin_ratio", "7")),)), "margin_ratio of a"),
    (problem([at("a:E")], ONE_SHORT, gross=bound("gross_notional", "70")), "gross_notional of book"),
    (
        Problem(
            candidates=(at("a:E"),),
            requirements=(Requirement(asset=Asset("E"), required=D(100), bounds=bound("open_interest_share", "70")),),
        ),
        "open_interest_share of E",
    ),
]


@pytest.mark.parametrize(("question", "named"), BINDING, ids=[named for _, named in BINDING])
def test_each_limit_is_named_where_it_binds(question: Problem, named: str) -> None:
    solution = allocate(question)
    assert shares(solution) == {"a:E": "70"}
    assert limits(solution, "a:E") == [named]
    (covered,) = solution.coverage
    assert (covered.hedged, covered.unhedged, covered.overhedged) == (D(70), D(30), D(0))
    assert [f"{b.limit} of {b.subject}" for b in covered.limits] == [named]
    assert solution.unhedged == D(30)


@pytest.mark.parametrize(("question", "named"), BINDING, ids=[named for _, named in BINDING])
def test_no_limit_is_named_where_all_is_hedged(question: Problem, named: str) -> None:
    solution = allocate(replace(question, requirements=tuple(replace(r, required=D(69)) for r in question.requirements)))
    if "in_doubt" in named:
        assert limits(solution, "a:E") == [named]  # it can still not be changed
        assert solution.coverage[0].overhedged == D(1)
    else:
        assert shares(solution) == {"a:E": "69"}
        assert limits(solution, "a:E") == []
    assert solution.coverage[0].limits == ()
    assert solution.unhedged == 0


def test_all_of_several_limits_that_bind_at_once_are_named() -> None:
    venues = (room("a", notional=bound("venue_share", "70") + bound("leverage", "70"), margin=bound("margin_ratio", "7")),)
    candidate = at("a:E", margin_use="0.1", bounds=bound("eligibility", "70"))
    solution = allocate(problem([candidate], ONE_SHORT, venues=venues, gross=bound("gross_notional", "70")))
    names = ["eligibility of a:E", "gross_notional of book", "leverage of a", "margin_ratio of a", "venue_share of a"]
    assert limits(solution, "a:E") == names
    assert [f"{b.limit} of {b.subject}" for b in solution.coverage[0].limits] == names


def test_unhedged_asset_names_the_limits_of_all_its_instruments() -> None:
    question = problem(
        [
            at("a:E", bounds=bound("eligibility", "0")),
            at("b:E", "5", frozen="quarantine"),
            at("c:E", bounds=bound("order", "40")),
            at("a:B"),
        ],
        {"E": "100", "B": "10", "S": "3"},
    )
    solution = allocate(question)
    assert shares(solution) == {"a:B": "10", "a:E": "0", "b:E": "5", "c:E": "40"}
    assert {c.asset: (c.unhedged, [b.limit for b in c.limits]) for c in solution.coverage} == {
        "B": (D(0), []),
        "E": (D(55), ["eligibility", "order", "quarantine"]),
        "S": (D(3), [NO_INSTRUMENT]),
    }
    assert solution.unhedged == 58


def test_hedge_comes_before_carry_and_carry_before_stillness() -> None:
    """b pays best but is small; the rest goes to a, although it costs money, rather than staying unhedged."""
    solution = allocate(problem([at("a:E", carry="-0.3"), at("b:E", carry="0.1", bounds=bound("oi", "40"))], ONE_SHORT))
    assert shares(solution) == {"a:E": "60", "b:E": "40"}
    assert solution.carry == D("-14")
    assert solution.change == 100


@pytest.mark.parametrize(("gap", "moves"), [("0.0029", False), ("0.003", False), ("0.0031", True)])
def test_short_moves_only_for_more_than_closing_and_opening_cost(gap: str, moves: bool) -> None:
    candidates = [at("a:E", "100", carry="0.1", cost_to_close="0.001"), at("b:E", carry=str(D("0.1") + D(gap)), cost_to_open="0.002")]
    solution = allocate(problem(candidates, ONE_SHORT))
    assert shares(solution) == ({"a:E": "0", "b:E": "100"} if moves else {"a:E": "100", "b:E": "0"})
    assert solution.carry == (D("10.01") if moves else D("10.00"))


def test_requirement_that_falls_is_taken_where_least_is_lost() -> None:
    candidates = [at("a:E", "50", carry="0.02", cost_to_close="0.01"), at("b:E", "50", carry="0.01", cost_to_close="0.03")]
    assert shares(allocate(problem(candidates, {"E": "60"}))) == {"a:E": "10", "b:E": "50"}


def test_room_is_made_at_another_venue_for_an_asset_that_has_only_one() -> None:
    """B can only go to a; so E leaves a for c, worse carry and all: the book's unhedged comes first."""
    candidates = [at("a:E", "100", carry="0.2"), at("c:E", carry="-0.1", cost_to_open="0.05"), at("a:B", carry="0.0")]
    question = problem(candidates, {"E": "100", "B": "70"}, venues=(room("a", notional=bound("venue_share", "100")),))
    assert shares(allocate(question)) == {"a:B": "70", "a:E": "30", "c:E": "70"}


def test_scarce_margin_goes_where_it_hedges_most() -> None:
    question = problem(
        [at("a:E", margin_use="0.2", carry="1"), at("a:B", margin_use="0.05")],
        {"E": "100", "B": "100"},
        venues=(room("a", margin=bound("margin_ratio", "9")),),
    )
    assert shares(allocate(question)) == {"a:B": "100", "a:E": "20"}


def test_frozen_beyond_limits_relaxes_them_to_itself_and_names_them() -> None:
    venues = (room("a", notional=bound("venue_share", "90"), margin=bound("margin_ratio", "4")),)
    candidates = [at("a:E", "120", frozen="in_doubt", margin_use="0.05", bounds=bound("oi", "110")), at("a:B", "10"), at("b:B")]
    solution = allocate(problem(candidates, {"E": "100", "B": "30"}, venues=venues, gross=bound("gross", "60")))
    assert shares(solution) == {"a:B": "0", "a:E": "120", "b:B": "0"}
    assert {(r.binding.limit, r.binding.subject): (r.allowed, r.frozen) for r in solution.relaxed} == {
        ("required_short", "E"): (D(100), D(120)),
        ("oi", "a:E"): (D(110), D(120)),
        ("venue_share", "a"): (D(90), D(120)),
        ("margin_ratio", "a"): (D(4), D(6)),
        ("gross", "book"): (D(60), D(120)),
    }
    e, b = solution.coverage[1], solution.coverage[0]
    assert (e.unhedged, e.overhedged, e.limits) == (D(0), D(20), ())
    assert (b.unhedged, b.limits) == (D(30), (Binding("gross", "book"), Binding("venue_share", "a")))


def test_frozen_over_one_venue_leaves_the_others_free() -> None:
    candidates = [at("a:E", "60", frozen="in_doubt"), at("a:B", "10"), at("b:E"), at("b:B")]
    solution = allocate(problem(candidates, {"E": "100", "B": "30"}, venues=(room("a", notional=bound("venue_share", "50")),)))
    assert shares(solution) == {"a:B": "0", "a:E": "60", "b:B": "30", "b:E": "40"}
    assert solution.unhedged == 0


def test_short_without_requirement_is_closed_and_one_beyond_its_bound_reduced() -> None:
    solution = allocate(problem([at("a:E", "50"), at("a:B", "80", bounds=bound("oi", "30"))], {"B": "100"}))
    assert shares(solution) == {"a:B": "30", "a:E": "0"}
    assert solution.change == 100


def test_negative_bound_and_requirement_count_as_zero() -> None:
    solution = allocate(problem([at("a:E"), at("a:B", bounds=bound("oi", "-5"))], {"E": "-3", "B": "4"}))
    assert shares(solution) == {"a:B": "0", "a:E": "0"}
    assert (limits(solution, "a:B"), solution.unhedged, solution.relaxed) == (["oi of a:B"], D(4), ())


def test_equal_shares_turn_around_the_venues() -> None:
    candidates = [at(f"{v}:{a}", carry="0.1") for v in "xyz" for a in "ABC"]
    solution = allocate(problem(candidates, {"A": "10", "B": "10", "C": "10"}))
    assert {i for i, s in shares(solution).items() if s == "10"} == {"x:A", "y:B", "z:C"}


def test_of_equals_the_present_wins() -> None:
    candidates = [at("x:A", carry="0.1"), at("y:A", "7", carry="0.1"), at("z:A", "1", carry="0.1")]
    assert shares(allocate(problem(candidates, {"A": "8"}))) == {"x:A": "0", "y:A": "7", "z:A": "1"}


def test_notional_weight_counts_under_notional_limits_alone() -> None:
    question = problem([at("a:E", notional_weight="1.25")], ONE_SHORT, venues=(room("a", notional=bound("venue_share", "50")),))
    assert shares(allocate(question)) == {"a:E": "40"}
    assert shares(allocate(problem([at("a:E", notional_weight="1.25", bounds=bound("oi", "50"))], ONE_SHORT))) == {"a:E": "50"}


THIRDS = problem(
    [at("a:E", margin_use="0.3", carry="0.1"), at("b:E", carry="0.05")], ONE_SHORT, venues=(room("a", margin=bound("margin_ratio", "10")),)
)


def test_what_no_decimal_holds_is_cut_downward_and_its_rest_finds_room() -> None:
    solution = allocate(THIRDS)
    assert shares(solution) == {"a:E": "33." + "3" * 20, "b:E": "66." + "6" * 19 + "7"}
    assert solution.unhedged == 0
    assert limits(solution, "a:E") == ["margin_ratio of a"]
    again = allocate(with_shorts(THIRDS, solution))
    assert (shares(again), again.change) == (shares(solution), 0)


def test_rest_of_a_cut_goes_to_what_was_cut_and_nowhere_else() -> None:
    solution = allocate(replace(THIRDS, candidates=(at("0:E", carry="-1"), *THIRDS.candidates)))
    assert shares(solution) == {"0:E": "0", **shares(allocate(THIRDS))}


def test_margin_left_by_a_cut_moves_nothing() -> None:
    """The margin that the cut share of a:E leaves would, once costs count from there, serve six times as much of a:B."""
    candidates = [
        at("a:E", "100", margin_use="0.3", carry="0.1", cost_to_open="0.05", cost_to_close="0.05"),
        at("a:B", "40", margin_use="0.05", carry="0.02", cost_to_open="0.005", cost_to_close="0.05"),
        at("b:E"),
        at("b:B"),
    ]
    question = problem(candidates, {"E": "100", "B": "100"}, venues=(room("a", margin=bound("margin_ratio", "12")),))
    solution = allocate(question)
    assert shares(solution)["a:E"] == "33." + "3" * 20
    again = allocate(with_shorts(question, solution))
    assert (shares(again), again.change) == (shares(solution), 0)


def test_a_hair_beyond_a_limit_is_beyond_it() -> None:
    solution = allocate(problem([at("a:E", "70.000000000000000000001", bounds=bound("oi", "70"))], ONE_SHORT))
    assert shares(solution) == {"a:E": "70"}


def test_cut_rest_without_room_stays_unhedged_and_says_why() -> None:
    question = replace(THIRDS, candidates=(THIRDS.candidates[0], replace(THIRDS.candidates[1], margin_use=D("0.7"))))
    question = replace(question, venues=(*question.venues, room("b", margin=bound("margin_ratio", "46.6666666666666666666666666666"))))
    solution = allocate(question)
    assert 0 < solution.unhedged < D("1e-20")
    assert {b.limit for b in solution.coverage[0].limits} == {"margin_ratio"}
    assert allocate(with_shorts(question, solution)).change == 0


def test_caller_precision_touches_nothing() -> None:
    candidates = [at("a:E", "123456789.123456789", carry="0.0712345"), at("b:E", bounds=bound("oi", "987654321.987654321"), carry="0.2")]
    question = problem(candidates, {"E": "2000000000.000000001"})
    expected = allocate(question)
    with localcontext() as context:
        context.prec = 3
        assert allocate(question) == expected
    assert sum(Fraction(p.short) for p in expected.portions) == Fraction("2000000000.000000001")


def test_nothing_asked_nothing_answered() -> None:
    solution = allocate(Problem(candidates=(), requirements=()))
    assert (solution.portions, solution.coverage, solution.unhedged, solution.carry) == ((), (), 0, 0)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (problem([at("a:E"), at("a:E")], {}), "an instrument is named twice"),
        (Problem(candidates=(), requirements=(Requirement(asset=Asset("E"), required=D(1)),) * 2), "an asset is named twice"),
        (problem([], {}, venues=(room("a"), room("a"))), "a venue is named twice"),
        (problem([at("a:E", "-1")], {}), "a:E: short, costs"),
        (problem([at("a:E", cost_to_open="-1")], {}), "a:E: short, costs"),
        (problem([at("a:E", cost_to_close="-1")], {}), "a:E: short, costs"),
        (problem([at("a:E", margin_use="-1")], {}), "a:E: short, costs"),
        (problem([at("a:E", notional_weight="0")], {}), "a:E: short, costs"),
        (problem([at("a:E", carry="NaN")], {}), "a:E: a number is not finite"),
        (problem([at("a:E", bounds=bound("oi", "Infinity"))], {}), "not finite"),
        (problem([], {"E": "NaN"}), "not finite"),
        (problem([], {}, gross=bound("gross", "NaN")), "not finite"),
        (problem([], {}, venues=(room("a", margin=bound("m", "sNaN")),)), "not finite"),
    ],
)
def test_senseless_problem_is_refused(question: Problem, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        allocate(question)


def test_a_room_may_count_only_some_of_a_venues_instruments() -> None:
    """Two pools of margin in one account: each bounds its own instrument, and a room without names bounds both."""
    venue, asset = VenueId("v"), Asset("A")
    pools = tuple(
        VenueRoom(venue=venue, instruments=(InstrumentId(name),), notional=(Bound(limit=f"pool_{name}", most=D(most)),))
        for name, most in (("x", 30), ("y", 50))
    )
    whole = VenueRoom(venue=venue, notional=(Bound(limit="share", most=D(70)),))
    candidates = tuple(Candidate(instrument=InstrumentId(name), asset=asset, venue=venue) for name in ("x", "y"))
    required = (Requirement(asset=asset, required=D(100)),)
    both = allocate(Problem(candidates=candidates, requirements=required, venues=pools))
    assert {p.instrument: p.short for p in both.portions} == {"x": D(30), "y": D(50)}
    assert [b.limit for p in both.portions for b in p.limits] == ["pool_x", "pool_y"]
    within = allocate(Problem(candidates=candidates, requirements=required, venues=(whole, *pools)))
    assert (within.unhedged, sum(p.short for p in within.portions)) == (D(30), D(70))
    assert allocate(Problem(candidates=candidates, requirements=required, venues=(*reversed(pools), whole))) == within
    with pytest.raises(ValueError, match="named twice"):
        allocate(Problem(candidates=candidates, requirements=required, venues=(pools[0], pools[0])))
