"""The daily settlement, at 08:00 UTC: profit and funding of the session move into the cash balance.

Between two settlements an account's equity moves with every price, and its cash `balance` only with deposits and fees: what positions
made since the last settlement, realised or not, stands in `session_rpl` and `session_upl`. At the settlement all of it is booked, and
the next session starts at the settlement's mark.

Funding is computed continuously (the venue says: every millisecond) at the 8-hour rate of that moment, and enters the session's realised
profit at once. It is *told* per position only when it is booked: in the transaction log as `interest_pl` of the trade that changes the
position, and of the settlement. The engine here accrues it at whole intervals of the contract instead of each millisecond.
Source: support.deribit.com, "Inverse perpetual"; www.deribit.com/pages/docs/perpetual.

Time that runs faster than the wall's (a demo) settles after as many intervals as a day has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.units import DAY_MS, ZERO, Millis
from bot.simulator.accounts import Tally
from bot.simulator.exchange import Exchange
from bot.simulator.model import Position

SETTLES_AT_MS: Millis = 8 * 3_600_000
"""After midnight UTC."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one settlement booked for one position. `after_id`: the newest fill or payment that it saw. Money is in the settle asset."""

    symbol: str
    at: Millis
    after_id: int
    position: Decimal
    mark: Decimal
    index: Decimal
    realised: Decimal
    unrealised: Decimal
    funding: Decimal


@dataclass(slots=True)
class Session:
    """One account's figures at its last settlement, and every settlement so far."""

    equity: Mapping[str, Decimal] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    unrealised: Mapping[str, Decimal] = field(default_factory=dict)
    after_id: int = 0
    log: list[Settled] = field(default_factory=list)


class Sessions:
    """The sessions of all accounts of a venue."""

    def __init__(self, exchange: Exchange, accounts: tuple[str, ...]) -> None:
        self._exchange = exchange
        self._accounts = accounts
        self._sessions: dict[str, Session] = {}
        self._began_at: Millis | None = None

    def elapsed(self, now: Millis) -> None:
        """Settles when it is due."""
        if self._began_at is None:
            self._began_at = now
        elif now >= _next_after(self._began_at) or self._a_day_has_passed(self._began_at):
            self.settle(now)

    def settle(self, now: Millis) -> None:
        """Ends the session of every account."""
        self._began_at = now
        for account in self._accounts:
            old = self.of(account)
            log = [*old.log, *(self._settled(account, held, old, now) for held in self._exchange.positions(account))]
            self._sessions[account] = Session(
                equity={balance.asset: balance.margin_balance for balance in self._exchange.balances(account)},
                tallies=self._exchange.tallies(account),
                unrealised={held.symbol: held.unrealised_pnl for held in self._exchange.positions(account)},
                after_id=self._newest_id(account),
                log=[row for row in log if row.position or row.realised or row.unrealised or row.funding],
            )

    def of(self, account: str) -> Session:
        """An account's session; nothing settled before the first."""
        return self._sessions.get(account) or Session()

    def balance(self, account: str, asset: str) -> Decimal:
        """The cash balance: the equity of the last settlement, with what was deposited and paid in fees since."""
        session, tally = self.of(account), self._exchange.tallies(account).get(asset, Tally())
        then = session.tallies.get(asset, Tally())
        return session.equity.get(asset, ZERO) + (tally.deposits - then.deposits) - (tally.fees - then.fees)

    def realised(self, account: str, asset: str) -> tuple[Decimal, Decimal]:
        """Profit realised and funding received since the last settlement, in an asset."""
        tally, then = self._exchange.tallies(account).get(asset, Tally()), self.of(account).tallies.get(asset, Tally())
        return tally.realised_pnl - then.realised_pnl, tally.funding - then.funding

    def of_position(self, account: str, symbol: str) -> tuple[Decimal, Decimal]:
        """The same of one contract."""
        since = self.of(account).after_id
        fills = self._exchange.fills(account, symbol, 0, _ALL)
        realised = sum((fill.realised_pnl for fill in fills if fill.fill_id > since), ZERO)
        paid = self._exchange.funding_payments(account, symbol)
        return realised, sum((record.amount for record in paid if record.payment_id > since), ZERO)

    def _settled(self, account: str, held: Position, old: Session, now: Millis) -> Settled:
        realised, funding = self.of_position(account, held.symbol)
        return Settled(
            symbol=held.symbol,
            at=now,
            after_id=self._newest_id(account),
            position=held.contracts,
            mark=held.mark_price,
            index=self._exchange.market(held.symbol).index,
            realised=realised,
            unrealised=held.unrealised_pnl - old.unrealised.get(held.symbol, ZERO),
            funding=funding,
        )

    def _newest_id(self, account: str) -> int:
        fills = self._exchange.fills(account, None, 0, 1)
        paid = self._exchange.funding_payments(account)
        return max([fill.fill_id for fill in fills] + [record.payment_id for record in paid[-1:]], default=0)

    def _a_day_has_passed(self, since: Millis) -> bool:
        contract = next(iter(self._exchange.contracts.values()))
        return len(self._exchange.funding_rates(contract.symbol, since + 1)) >= DAY_MS // contract.funding_interval_ms


_ALL = 1_000_000


def _next_after(instant: Millis) -> Millis:
    return (instant - SETTLES_AT_MS) // DAY_MS * DAY_MS + DAY_MS + SETTLES_AT_MS
