"""Whether new money belongs into hedged coin or stables (F13, F16), and what a conversion brings and costs (F10)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.carry import SleeveSignal, hurdle
from bot.core.deployment import DeploymentState, breaches, carry_of, deployment_of, observe
from bot.core.limits import Effect, Limit
from bot.core.policy import Policy
from bot.core.records import FundingState, Ledger, ReferencePrice
from bot.core.units import Asset, InstrumentId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import collateral
from tests.core.story import T0, listed, policy_for

D = Decimal
ETH = Asset("ETH")
POLICY = policy_for("ETH", stable_dwell_ms=10_000)
DAY = 86_400_000


def rates(at: int = T0, flipped: tuple[str, ...] = (), **annual: str | None) -> dict[InstrumentId, FundingState]:
    """Smoothed annual rates at venues, read at an instant."""
    return {
        InstrumentId(f"{venue}:ETH"): FundingState(
            rate=D(0), interval_ms=1, annual=None if told is None else D(told), observed_at=at, flipped=venue in flipped
        )
        for venue, told in annual.items()
    }


def flat(at: int = T0, flipped: tuple[str, ...] = (), **annual: str | None) -> Ledger:
    instruments = {InstrumentId(f"{v}:ETH"): listed(v, "ETH") for v in ("binance", "bybit", "okx")}
    return Ledger(instruments=instruments, funding=rates(at, flipped, **annual))


def signal(ledger: Ledger, *carries: tuple[int, str], policy: Policy = POLICY) -> Ledger:
    """The ledger after decisions at which every venue's funding was this."""
    for at, carry in carries:
        ledger = observe(replace(ledger, funding=rates(T0 + at, okx=carry, bybit=carry)), policy, T0 + at)
    return ledger


def test_carry_is_the_mean_of_known_rates_while_nothing_is_short() -> None:
    assert carry_of(flat(okx="0.1", bybit="0.2", binance=None), POLICY, ETH, T0) == D("0.15")
    assert carry_of(flat(), POLICY, ETH, T0) is None
    old = {**flat(okx="0.1").funding, **rates(T0 - POLICY.funding_age_max_ms - 1, bybit="9")}
    assert carry_of(replace(flat(), funding=old), POLICY, ETH, T0) == D("0.1"), "a rate too old to be known does not count"


def test_carry_is_weighted_by_what_is_short() -> None:
    ledger = replace(hedged("30").ledger, funding=rates(binance="0.3", bybit="0.06"))
    assert carry_of(ledger, POLICY, ETH, T0) == D("0.18")
    moved = {**ledger.positions, InstrumentId(BINANCE): replace(ledger.positions[InstrumentId(BINANCE)], quantity=D(-20))}
    assert carry_of(replace(ledger, positions=moved), POLICY, ETH, T0) == D("0.22")


def test_new_hedges_go_where_funding_has_not_flipped() -> None:
    assert carry_of(flat(flipped=("okx",), okx="-0.5", bybit="0.1"), POLICY, ETH, T0) == D("0.1")
    assert carry_of(flat(flipped=("okx", "bybit"), okx="-0.5", bybit="-0.1"), POLICY, ETH, T0) == D("-0.3")
    elsewhere = replace(POLICY, instruments=frozenset({InstrumentId(OKX)}))
    assert carry_of(flat(okx="0.1", bybit="0.5"), elsewhere, ETH, T0) == D("0.1")


@pytest.mark.parametrize(
    ("carries", "refused"),
    [
        ([(0, "0.02")], False),  # the floor itself: 4 % risk-free less 2 %
        ([(0, "0.0199")], True),
        ([(0, "0.0199"), (60_000, "0.06")], True),  # the entry itself: 4 % and 2 %
        ([(0, "0.0199"), (60_000, "0.0601")], False),
        ([(0, "0.0199"), (9_999, "0.2")], True),  # within the dwell
        ([(0, "0.01"), (20_000, "0.2"), (25_000, "0.01")], False),  # nor back within it
    ],
)
def test_f13_refused_below_the_floor_and_welcome_only_above_the_entry_and_never_twice_within_the_dwell(
    carries: list[tuple[int, str]], refused: bool
) -> None:
    ledger = signal(flat(), *carries)
    told = deployment_of(ledger, POLICY, ETH, T0 + carries[-1][0])
    assert told.state is (DeploymentState.REFUSED if refused else DeploymentState.WELCOME)
    assert (told.floor, told.entry) == (D("0.02"), D("0.06"))
    assert bool(breaches(ledger, POLICY, T0 + carries[-1][0])) is refused


def test_f16_the_floor_of_traditional_money_is_a_hurdle_over_its_reference() -> None:
    policy = replace(POLICY, risk_free_rate=hurdle(D("0.0430"), D(150)), stable_band_exit=D(0))
    assert deployment_of(flat(), policy, ETH, T0).floor == D("0.058")


def test_each_turn_is_told_with_its_numbers_and_nothing_else_changes_the_book() -> None:
    ledger = signal(flat(), (0, "0.01"), (60_000, "0.1"))
    assert [n.sentence for n in ledger.notes] == [
        "new deployment is refused: carry 0.0100 a year, risk-free 0.04",
        "new deployment is welcome again: carry 0.1000 a year, risk-free 0.04",
    ]
    assert observe(ledger, POLICY, T0 + 61_000) is ledger


def test_an_unknown_carry_is_told_as_unknown_and_ends_no_refusal() -> None:
    told = deployment_of(flat(), POLICY, ETH, T0)
    assert (told.state, told.carry_annual, told.conversion) == (DeploymentState.UNKNOWN, None, None)
    silent = replace(signal(flat(), (0, "0.01")), funding={})
    assert observe(silent, POLICY, T0 + DAY) is silent
    told = deployment_of(silent, POLICY, ETH, T0 + DAY)
    assert (told.state, told.carry_annual) == (DeploymentState.REFUSED, None)
    (breach,) = breaches(silent, POLICY, T0 + DAY)
    assert (breach.limit, breach.subject, breach.observed, breach.effect) == (Limit.CARRY_FLOOR, "ETH", None, Effect.TELLS)


def refused_book() -> Ledger:
    story = hedged("30")
    refusal = {ETH: SleeveSignal(stables_preferred=True, turned_at=T0)}
    return replace(story.ledger, funding=rates(binance="-0.01", bybit="-0.01", okx="-0.01"), sleeves=refusal)


def test_f10_a_conversion_in_numbers() -> None:
    told = deployment_of(refused_book(), POLICY, ETH, T0).conversion
    assert told is not None
    assert (told.base_units, told.usd) == (30, 90_000)
    assert told.gain_usd_annual == 4_500  # 4 % less -1 % on 90,000
    cost = 2 * D("0.0005") + D("0.2") / 3_000 + D("0.0002")  # two taker fees, a whole spread, impact
    assert told.cost_usd is not None
    assert abs(told.cost_usd - 90_000 * cost) < D("1e-9")
    assert told.break_even_ms is not None
    assert abs(told.break_even_ms - int(cost / D("0.05") * 365 * DAY)) <= 1


@pytest.mark.parametrize(
    ("price", "at", "refused"),
    [("0.98", 0, False), ("0.9799", 0, True), ("0.995", POLICY.reference_age_max_ms, False), ("1", POLICY.reference_age_max_ms + 1, True)],
)
def test_a_staked_token_beyond_its_peg_refuses_new_deployment_with_that_reason(price: str, at: int, refused: bool) -> None:
    token = {Asset("wstETH"): ReferencePrice(price=D(price), observed_at=T0)}
    ledger = replace(flat(okx="0.1", bybit="0.1"), references=token)
    told = deployment_of(ledger, POLICY, ETH, T0 + at)
    assert told.state is (DeploymentState.REFUSED if refused else DeploymentState.WELCOME)
    assert ("wstETH" in told.reason) is refused
    assert told.conversion is None, "the carry calls for none, and the token would be sold below what it redeems for"
    assert breaches(ledger, POLICY, T0 + at) == (), "the peg is told by its own limit"
    assert deployment_of(ledger, policy_for("BTC", "ETH"), Asset("BTC"), T0 + at).state is not DeploymentState.REFUSED


def test_both_reasons_of_a_refusal_are_told() -> None:
    ledger = replace(refused_book(), references={Asset("wstETH"): ReferencePrice(price=D("0.9"), observed_at=T0)})
    told = deployment_of(ledger, POLICY, ETH, T0)
    assert told.reason == (
        "staked_depeg on wstETH: 0.1 (allowed 0.02), below its peg; carry fell below 0.02 a year and has not been above 0.06 since"
    )
    assert told.conversion is not None
    assert [b.limit for b in breaches(ledger, POLICY, T0)] == [Limit.CARRY_FLOOR]


def test_a_conversion_without_prices_or_fees_says_what_is_known() -> None:
    ledger = refused_book()
    for without in (
        replace(ledger, quotes={}),
        replace(ledger, instruments={i: replace(x, taker_fee=None) for i, x in ledger.instruments.items()}),
    ):
        told = deployment_of(without, POLICY, ETH, T0).conversion
        assert told is not None
        assert (told.base_units, told.cost_usd, told.break_even_ms) == (30, None, None)
    dear = deployment_of(replace(ledger, funding={}), POLICY, ETH, T0).conversion
    assert dear is not None
    assert (dear.gain_usd_annual, dear.break_even_ms, dear.usd) == (None, None, 90_000)
    assert deployment_of(replace(ledger, sources_confirmed_at={}), POLICY, ETH, T0).conversion is None


def test_a_conversion_that_would_lose_never_breaks_even() -> None:
    told = deployment_of(replace(refused_book(), funding=rates(okx="0.05")), POLICY, ETH, T0).conversion
    assert told is not None
    assert told.gain_usd_annual == -900
    assert told.break_even_ms is None


def test_coin_that_is_held_in_several_forms_is_converted_whole() -> None:
    story = hedged("30") >> collateral("wstETH", "10", "1.2", location="stake")
    ledger = replace(story.ledger, funding=refused_book().funding, sleeves=refused_book().sleeves)
    told = deployment_of(ledger, story.policy, ETH, T0).conversion
    assert told is not None
    assert told.base_units == 42
    assert {BYBIT, OKX} <= set(ledger.instruments)
