"""Making a venue ready: clock, instruments in use, one-way positions, cross margin, leverage, keys proven, paths warm.

"Already set" is success. What cannot be used as configured is `VenueNotReady`, one sentence, nothing placed; what may pass (no answer,
rate limits, a clock being corrected) is `ConnectionError`, and the caller tries again.

A setting of which whoever answers says that there is no such endpoint is not known to be as configured. In a simulation that is a stand-in
without settings. Anywhere else readings say so (`Opened.unverified`), and the venue takes no increase until it could be set after all.

An instrument that the venue does not list or trade at present is left out with a warning, and the others are used. One that it does not
trade but that we hold stays in use, as it is: a position nobody reads would be hedged a second time elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import ccxt
import structlog

from bot.adapters.venue import funding_reads, tier_reads
from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Unreadable, at_path, figure, told
from bot.adapters.venue.ccxt_markets import ccxt_number, instrument_of, is_usable, kind_of
from bot.adapters.venue.outcomes import PROVEN
from bot.adapters.venue.profile import MarginMode, Profile, Setup, Signer
from bot.adapters.venue.questions import Ask, Query
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.adapters.venue.throttle import Lane
from bot.core.instrument import Instrument
from bot.ports import VenueNotReady

log = structlog.get_logger(__name__)

_BINANCE_PASSING = frozenset({"-1000", "-1001", "-1003", "-1006", "-1007", "-1008", "-1015", "-1021", "-4188", "-5028"})
PASSING_CODES: Mapping[str, frozenset[str]] = {
    "binanceusdm": _BINANCE_PASSING,
    "binancecoinm": _BINANCE_PASSING,
    "bybit": frozenset({"10000", "10002", "10006", "10009", "10016", "10018", "10429"}),
    "deribit": frozenset({"10001", "10028", "10040", "10041", "10047", "10066", "11051", "11094", "13028", "13888"}),
    "okx": frozenset({"50001", "50004", "50011", "50013", "50026", "50061", "50102", "51030"}),
    "hyperliquid": frozenset({"Too many cumulative requests sent"}),
}
"""What a later try may not meet: request rates and the bans that follow them (Bybit 10009), clocks, and a venue that is not itself.

An address that is not on the key's list (Bybit 10010, OKX 50110, within Binance -2015) lasts until somebody edits the list.
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """Our instruments by the venue's symbol, and ccxt's name of each. `redescribe` replaces instruments in place: all readers see it.

    `unverified` says in sentences what is not known to be as configured; `settle_account` replaces it in place as well.
    """

    instruments: dict[str, Instrument]
    ccxt_symbols: Mapping[str, str]
    unverified: list[str] = field(default_factory=list)


async def open_account(asker: Asker, profile: Profile, settings: VenueSettings) -> Opened:
    """Everything that must be true before the first order. Raises VenueNotReady or ConnectionError."""
    return await _opened(_Steps(asker, profile, settings).run(), profile)


async def look_at(asker: Asker, profile: Profile, settings: VenueSettings) -> Opened:
    """What an opening finds, without what it sets: nothing is changed. Raises VenueNotReady or ConnectionError."""
    return await _opened(_Steps(asker, profile, settings).run(setting=False), profile)


async def _opened(steps: Coroutine[Any, Any, Opened], profile: Profile) -> Opened:
    try:
        return await steps
    except Unreadable as unreadable:
        raise ConnectionError(f"{profile.venue}: {unreadable}") from None
    except NotAnswered as failure:
        lasting = failure.code in PROVEN[profile.venue] and failure.code not in PASSING_CODES.get(profile.venue, ())
        text = f"{profile.venue}: {failure}"
        raise (VenueNotReady(text) if lasting else ConnectionError(text)) from None


async def redescribe(asker: Asker, profile: Profile, settings: VenueSettings, opened: Opened) -> None:
    """Reads lots, ticks, bounds, funding intervals and leverage tiers of the instruments in use again; fees and what is not told stay.

    Raises NotAnswered or Unreadable, and has changed nothing then.
    """
    await _Steps(asker, profile, settings, Lane.MARKET_DATA).again(opened)


async def settle_account(asker: Asker, profile: Profile, settings: VenueSettings, opened: Opened, leverages: Mapping[str, Decimal]) -> None:
    """Sets again what could not be verified, and ours at instruments with another leverage (the venue's symbols, with what they are at).

    What does not pass is a warning, and stays as it is told to be.
    """
    steps = _Steps(asker, profile, settings, Lane.MARKET_DATA)
    try:
        if opened.unverified:
            await steps.set_again(opened)
    except (VenueNotReady, NotAnswered, Unreadable) as failure:
        log.warning("account_still_unverified", venue=profile.venue, reason=str(failure))
    for symbol, leverage in leverages.items():
        told = {"venue": profile.venue, "venue_symbol": symbol, "leverage": str(leverage)}
        try:
            is_set = await steps.leverage_again(symbol, opened)
        except (VenueNotReady, NotAnswered) as failure:
            log.warning("leverage_not_set_back", **told, reason=str(failure))
        else:
            log.warning("leverage_set_back" if is_set else "leverage_not_set_back", **told)


class _Steps:
    def __init__(self, asker: Asker, profile: Profile, settings: VenueSettings, lane: Lane = Lane.RECONCILE) -> None:
        self._lane = lane
        self._asker = asker
        self._client = asker.client
        self._profile = profile
        self._settings = settings
        self._unverified: list[str] = []

    async def run(self, *, setting: bool = True) -> Opened:
        await self._asker.measure_clock(Lane.RECONCILE)
        await self._fits()
        markets = await self._markets()
        symbols = {venue_symbol: str(market["symbol"]) for venue_symbol, market in markets.items()}
        traded = {venue_symbol: symbols[venue_symbol] for venue_symbol, market in markets.items() if _is_traded(market)}
        if setting and self._profile.setup is not None:
            await self._set_up(self._profile.setup, traded)
        # Proves the key before the first order needs it, and warms the connection and ccxt's own first-call questions.
        await self._asker.ask(self._profile.reads.margin, Lane.RECONCILE)
        intervals = await funding_reads.intervals(self._asker, self._profile.funding, markets, self._lane)
        tiers = await tier_reads.listed(self._asker, self._profile.tiers, markets, self._lane)
        instruments = {}
        for venue_symbol, market in markets.items():
            taker, maker = await self._fees(market)
            instruments[venue_symbol] = instrument_of(
                self._profile.venue,
                market,
                interval_ms=intervals[venue_symbol],
                taker_fee=taker,
                maker_fee=maker,
                tiers=tiers[venue_symbol],
                unit_worth=self._profile.unit_worth,
            )
        return Opened(instruments, symbols, self._unverified)

    async def _fits(self) -> None:
        """The key signs for the account, and the account is one that can be used. Raises VenueNotReady."""
        setup, venue = self._profile.setup, self._profile.venue
        if setup is None:
            return
        if setup.signer is not None and not await self._signs(setup.signer):
            raise VenueNotReady(f"{venue}: the secret is not the private key of that address, nor of a wallet that may sign for it")
        for standing in setup.standings:
            found = at_path(await self._read_setting(self._client_call(standing.query), what="the account's kind"), standing.at)
            # ccxt leaves an answer that is a bare JSON string in its quotes.
            answer = found.strip('"') if isinstance(found, str) else None
            if answer is not None and answer not in standing.fit:
                raise VenueNotReady(f"{venue}: {standing.reason} ({answer})")

    async def _signs(self, signer: Signer) -> bool:
        """Whether the secret signs for the account: its own address does, and a wallet's whose owner the account is."""
        account = self._settings.api_key.lower()
        try:
            address = str(self._client.eth_get_address_from_private_key(self._settings.secret)).lower()
        except Exception:  # whatever ccxt makes of what is no key
            return False
        if address == account:
            return True
        answer = await self._read_setting(self._client_call(signer.query, **{signer.signer_as: address}), Ask.SIGNER, "who may sign")
        return not answer or (told(answer, signer.owner) or "").lower() == account

    def _client_call(self, query: Query, **more: Any) -> Coroutine[Any, Any, Any]:
        about = {} if query.account_as is None else {query.account_as: self._settings.api_key}
        answer: Coroutine[Any, Any, Any] = getattr(self._client, query.call)({**query.fixed, **about, **more})
        return answer

    async def _markets(self) -> dict[str, Any]:
        """The perpetuals in use, and no others: ccxt is given only these, so that it holds and parses little."""
        found = await self._listed(self._settings.venue_symbols)
        self._asker.places = {
            symbol: self._profile.place(symbol, kind_of(market), str(market.get("settle"))) for symbol, market in found.items()
        }
        venue, used = self._profile.venue, {}
        for symbol in self._settings.venue_symbols:
            market = found.get(symbol)
            if market is not None and not is_usable(market):
                linear, inverse = "linear, in a stablecoin", "inverse, in USD and settled in its coin"
                raise VenueNotReady(f"{venue} {symbol} is no perpetual that can be used: {linear}, or {inverse}")
            if market is not None and (_is_traded(market) or await self._is_held(symbol)):
                used[symbol] = market
            if market is None or not _is_traded(market):
                reason = "not listed" if market is None else "not traded at present"
                log.warning("instrument_unusable", venue=venue, venue_symbol=symbol, reason=reason, kept=symbol in used)
        if not used:
            raise VenueNotReady(f"{venue} lists and trades no perpetual of {', '.join(self._settings.venue_symbols)} at present")
        self._client.set_markets(list(used.values()))
        self._asker.places = {symbol: self._asker.places[symbol] for symbol in used}
        return used

    async def _listed(self, symbols: Collection[str]) -> dict[str, Any]:
        """ccxt's markets of those of the symbols that the venue lists as perpetuals."""
        listed = [market for market in await self._asked(Ask.MARKETS, self._asker.listing()) if market.get("swap")]
        if not listed:
            raise Unreadable("markets: an answer without a single perpetual")
        # Each part is a question of its own: what one of them did not answer is not missing from the list.
        missing = set(self._profile.parts) - {kind_of(market) for market in listed}
        if missing:
            raise Unreadable(f"markets: no answer with {' or '.join(sorted(missing))} perpetuals")
        named = {told(market.get("info") or {}, self._profile.symbol_in_market) or str(market["id"]): market for market in listed}
        return {symbol: {**market, "id": symbol} for symbol, market in named.items() if symbol in symbols}

    async def again(self, opened: Opened) -> None:
        """See `redescribe`."""
        found = {symbol: market for symbol, market in (await self._listed(opened.instruments)).items() if is_usable(market)}
        intervals = await funding_reads.intervals(self._asker, self._profile.funding, found, self._lane)
        tiers = await tier_reads.listed(self._asker, self._profile.tiers, found, self._lane)
        fresh = {}
        for symbol, market in found.items():
            known = opened.instruments[symbol]
            interval_ms = intervals[symbol] or known.funding_interval_ms
            fresh[symbol] = instrument_of(
                self._profile.venue,
                market,
                interval_ms=interval_ms,
                taker_fee=known.taker_fee,
                maker_fee=known.maker_fee,
                tiers=tiers[symbol] or known.tiers,
                unit_worth=self._profile.unit_worth,
            )
        # ccxt rounds prices and quantities by its own copy.
        kept = {symbol: self._client.markets[name] for symbol, name in opened.ccxt_symbols.items()}
        self._client.set_markets(list((kept | found).values()))
        opened.instruments.update(fresh)

    async def _is_held(self, symbol: str) -> bool:
        rows = await self._asker.rows(self._profile.reads.position, self._lane, symbols=[symbol])
        shape = self._profile.reads.position_shape
        return any(figure(row, shape.contracts) for row in rows if told(row, shape.symbol) == symbol)

    async def _set_up(self, setup: Setup, symbols: Mapping[str, str]) -> None:
        await self._one_way(setup, symbols)
        await self._cross_margin(setup, symbols)
        for symbol, name in symbols.items():
            await self._leverage(setup, symbol, name)

    async def _leverage(self, setup: Setup, symbol: str, name: str) -> None:
        """Sets it; where a position stands in the way, the one that it was opened with stays."""
        parameters = dict(setup.leverage_parameters)
        try:
            await self._set(setup, "leverage", self._client.set_leverage(self._settings.leverage, name, parameters))
        except VenueNotReady as refused:
            if not await self._is_held(symbol):
                raise
            log.warning("leverage_kept", venue=self._profile.venue, venue_symbol=symbol, reason=str(refused))

    async def leverage_again(self, symbol: str, opened: Opened) -> bool:
        """Sets ours at one instrument in use; whether it is. Raises VenueNotReady or NotAnswered."""
        if (setup := self._profile.setup) is None:
            return False
        request = self._client.set_leverage(self._settings.leverage, opened.ccxt_symbols[symbol], dict(setup.leverage_parameters))
        return await self._set(setup, "leverage", request)

    async def set_again(self, opened: Opened) -> None:
        """Everything that is set at an opening, at all instruments in use. Raises VenueNotReady, NotAnswered or Unreadable."""
        await self._fits()
        if self._profile.setup is not None:
            await self._set_up(self._profile.setup, opened.ccxt_symbols)
        opened.unverified[:] = self._unverified

    async def _one_way(self, setup: Setup, symbols: Mapping[str, str]) -> None:
        if setup.position_mode_readable:
            mode = await self._read_setting(self._client.fetch_position_mode())
            if mode.get("hedged") is False:
                return
        if setup.position_mode_per_symbol:
            for venue_symbol, symbol in symbols.items():
                if setup.position_mode_settles is None or self._asker.places[venue_symbol].settle in setup.position_mode_settles:
                    await self._set(setup, "one-way positions", self._client.set_position_mode(False, symbol))
        else:
            await self._set(setup, "one-way positions", self._client.set_position_mode(False))

    async def _cross_margin(self, setup: Setup, symbols: Mapping[str, str]) -> None:
        match setup.margin_mode:
            case MarginMode.PER_SYMBOL:
                for venue_symbol, symbol in symbols.items():
                    await self._cross([venue_symbol], setup, self._client.set_margin_mode("cross", symbol))
            case MarginMode.ACCOUNT if symbols:
                any_symbol = next(iter(symbols.values()))
                mode = await self._read_setting(self._client.fetch_margin_mode(any_symbol))
                if mode.get("marginMode") != "cross":
                    await self._cross(symbols, setup, self._client.set_margin_mode("cross", any_symbol))
            case _:
                pass

    async def _cross(self, symbols: Collection[str], setup: Setup, request: Coroutine[Any, Any, Any]) -> None:
        """Sets it; where a position stands in the way, it is kept: every reading tells of it then, and reductions go."""
        try:
            await self._set(setup, "cross margin", request)
        except VenueNotReady as refused:
            held = [symbol for symbol in symbols if await self._is_held(symbol)]
            if not held:
                raise
            log.error("margin_mode_kept", venue=self._profile.venue, venue_symbols=held, reason=str(refused))

    async def _read_setting(self, request: Coroutine[Any, Any, Any], about: Ask = Ask.SETTINGS, what: str | None = None) -> Any:
        """One setting as it is; nothing where whoever answers has no such endpoint. `what`: it is unverified then; else it is set next."""
        try:
            return await self._asked(about, request)
        except NotAnswered as failure:
            if failure.is_unknown_here:
                if what is not None:
                    self._unknown(what)
                return {}
            raise

    def _unknown(self, what: str) -> None:
        """A simulation may be a stand-in without account settings: it refuses our orders in another mode. Elsewhere nothing is taken so."""
        log.warning("setting_unknown_at_venue", venue=self._profile.venue, setting=what)
        sentence = f"{what} could not be verified: whoever answers knows no such setting"
        if self._settings.environment is not Environment.SIMULATION and sentence not in self._unverified:
            self._unverified.append(sentence)

    async def _set(self, setup: Setup, what: str, request: Coroutine[Any, Any, Any]) -> bool:
        """One setting; whether it is as wanted, false where nobody knows it.

        A refusal that is not "already set" is lasting, whatever its code: the account is not as configured.
        """
        try:
            await self._asked(Ask.SETTINGS, request)
        except NotAnswered as failure:
            if failure.code in setup.already_set_codes:
                return True
            if failure.is_unknown_here:
                self._unknown(what)
                return False
            if failure.code is None or failure.code in PASSING_CODES.get(self._profile.venue, ()):
                raise
            raise VenueNotReady(f"{self._profile.venue} refused to set {what}: {failure}") from None
        return True

    async def _fees(self, market: Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None]:
        """The account's own fees; the venue's published ones, which ccxt knows, where the account's cannot be read."""
        try:
            fees = await self._asked(Ask.SETTINGS, self._client.fetch_trading_fee(market["symbol"]))
        except NotAnswered:
            fees = {}
        taker, maker = (fees.get(side) if fees.get(side) is not None else market.get(side) for side in ("taker", "maker"))
        return ccxt_number(taker), ccxt_number(maker)

    async def _asked(self, about: Ask, request: Coroutine[Any, Any, Any]) -> Any:
        try:
            await self._asker.gate.admit(self._lane, self._profile.weights[about])
            return await request
        except ccxt.MarginModeAlreadySet:
            return {}
        except Exception as error:
            raise self._asker.failure(about, error) from None
        finally:
            request.close()  # one that was not let through was never begun


def _is_traded(market: Mapping[str, Any]) -> bool:
    return market.get("active") is not False
