"""The engine's nouns in the core's words: venue symbols become instruments, contracts become signed base units. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.core import events as ev
from bot.core.instrument import ContractKind, Instrument
from bot.core.tiers import MarginTiers, TierRow, TierRule
from bot.core.units import ONE, ZERO, Asset, ClientOrderId, Millis, VenueId
from bot.simulator.model import Balance, BookView, Contract, Fill, FillKind, FundingRecord, MarketView, Order, OrderState, Position

_STATUS = {
    OrderState.NEW: ev.VenueOrderStatus.ACCEPTED,
    OrderState.PARTIALLY_FILLED: ev.VenueOrderStatus.ACCEPTED,
    OrderState.FILLED: ev.VenueOrderStatus.FILLED,
    OrderState.CANCELED: ev.VenueOrderStatus.CANCELED,
    OrderState.EXPIRED: ev.VenueOrderStatus.CANCELED,
    OrderState.REJECTED: ev.VenueOrderStatus.REJECTED,
}
_KIND = {
    FillKind.TRADE: ev.FillKind.TRADE,
    FillKind.AUTO_DELEVERAGING: ev.FillKind.AUTO_DELEVERAGING,
    FillKind.LIQUIDATION: ev.FillKind.LIQUIDATION,
}


def instrument_of(venue: VenueId, contract: Contract) -> Instrument:
    """A contract as the core knows it."""
    return Instrument(
        venue=venue,
        venue_symbol=contract.symbol,
        base=Asset(contract.base),
        quote=Asset(contract.quote),
        settle=Asset(contract.settle),
        kind=ContractKind.INVERSE if contract.inverse else ContractKind.LINEAR,
        contract_size=contract.contract_size,
        lot=contract.lot,
        tick=contract.tick,
        contracts_min=contract.contracts_min,
        contracts_max=contract.contracts_max,
        notional_min=contract.notional_min,
        funding_interval_ms=contract.funding_interval_ms,
        taker_fee=contract.taker_fee,
        maker_fee=contract.maker_fee,
        tiers=tiers_of(contract),
    )


def tiers_of(contract: Contract) -> MarginTiers:
    """The contract's leverage tiers as the core knows them."""
    floors = (ZERO, *(tier.cap for tier in contract.tiers))
    return MarginTiers(
        rule=TierRule.WHOLE if contract.tiers_count_contracts else TierRule.SLICED,
        rows=tuple(
            TierRow(floor=floor, cap=tier.cap, maintenance_rate=tier.rate, initial_rate=ONE / tier.leverage_max)
            for floor, tier in zip(floors, contract.tiers, strict=False)
        ),
    )


def order_report(listed: Instrument, order: Order) -> ev.OrderReport:
    """What the venue says of an order."""
    request = order.request
    return ev.OrderReport(
        instrument=listed.id,
        client_order_id=None if request.client_order_id is None else ClientOrderId(request.client_order_id),
        venue_order_id=str(order.order_id),
        status=_STATUS[order.state],
        filled_quantity=order.filled * listed.contract_size * request.side.sign,
        average_price=order.average_price,
        venue_at=order.updated_at,
        quantity=request.contracts * listed.contract_size * request.side.sign,
        price=request.price,
        reduce_only=request.reduce_only,
    )


def fill_report(listed: Instrument, fill: Fill) -> ev.FillReport:
    """One execution."""
    return ev.FillReport(
        instrument=listed.id,
        fill_id=str(fill.fill_id),
        client_order_id=None if fill.client_order_id is None else ClientOrderId(fill.client_order_id),
        venue_order_id=None if fill.order_id is None else str(fill.order_id),
        quantity=fill.contracts * listed.contract_size * fill.side.sign,
        price=fill.price,
        fee=fill.fee,
        fee_asset=Asset(fill.fee_asset),
        kind=_KIND[fill.kind],
        venue_at=fill.at,
    )


def position_reports(listed: Mapping[str, Instrument], positions: Sequence[Position]) -> tuple[ev.PositionReport, ...]:
    """Every instrument, also the flat ones."""
    held = {p.symbol: p for p in positions}
    return tuple(
        ev.PositionReport(
            instrument=instrument.id,
            quantity=held[symbol].contracts * instrument.contract_size if symbol in held else Decimal(0),
            entry_price=held[symbol].entry_price if symbol in held else None,
            mark_price=held[symbol].mark_price if symbol in held else None,
            deleveraging_rank=held[symbol].deleveraging_rank if symbol in held and held[symbol].contracts else None,
        )
        for symbol, instrument in listed.items()
    )


def margin_report(balance: Balance) -> ev.MarginReport:
    """One settle asset's cross margin."""
    return ev.MarginReport(
        asset=Asset(balance.asset),
        margin_balance=balance.margin_balance,
        wallet_balance=balance.wallet,
        maintenance_margin=balance.maintenance_margin,
        initial_margin=balance.initial_margin,
    )


def quote_of(listed: Instrument, book: BookView, view: MarketView, now: Millis) -> ev.Quote | None:
    """The newest view of one instrument; None while a side of the book is empty."""
    if not book.bids or not book.asks:
        return None
    return ev.Quote(
        instrument=listed.id,
        bid=book.bids[0].price,
        ask=book.asks[0].price,
        bid_quantity=listed.to_base(book.bids[0].contracts, book.bids[0].price),
        ask_quantity=listed.to_base(book.asks[0].contracts, book.asks[0].price),
        mark=view.mark,
        index=view.index,
        book_at=now,
        mark_at=now,
    )


def rate_observed(listed: Instrument, view: MarketView, now: Millis) -> ev.FundingRateObserved:
    """The rate that settles next."""
    return ev.FundingRateObserved(
        at=now,
        instrument=listed.id,
        rate=view.funding_rate,
        interval_ms=listed.funding_interval_ms,
        next_settlement_at=view.next_funding_at,
    )


def market_observed(listed: Instrument, view: MarketView, now: Millis) -> ev.MarketObserved:
    """How large the market is; the engine keeps no volume."""
    return ev.MarketObserved(at=now, instrument=listed.id, open_interest=view.open_interest)


def funding_payment(listed: Instrument, record: FundingRecord) -> ev.FundingPayment:
    """A settled payment."""
    return ev.FundingPayment(
        instrument=listed.id,
        payment_id=str(record.payment_id),
        quantity=record.amount,
        asset=Asset(record.asset),
        venue_at=record.at,
    )
