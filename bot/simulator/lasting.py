"""Makes conditions true at their venues, and undoes them.

Requests meet them at the desk's doors, before a fault on that request and before the dialect; what is done to the market or an account is
done in the engine. Nothing here knows a venue: what is said is the dialect's own (`troubles`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from bot.core.units import ZERO, Millis
from bot.simulator.conditions import ONCE, Condition, ConditionKind
from bot.simulator.desk import Desk
from bot.simulator.dialects.dialect import HttpReply, HttpRequest, Keyed, Operation
from bot.simulator.dialects.trouble import BANNED, MAINTENANCE, NO_POSITIONS, POSITION_MODE, RATE_LIMITED, MarginModes
from bot.simulator.faults import Armed, Fault, FaultPlan
from bot.simulator.listed import Listing
from bot.simulator.model import OrderKind, OrderRequest, Refused, Side, TimeInForce

_FAMILIES = (
    frozenset({ConditionKind.HALTED, ConditionKind.DELISTED}),
    frozenset({ConditionKind.RESIZED}),
    frozenset({ConditionKind.HEDGE_MODE}),
)
UNTOLD_MS: Millis = 1_000
"""What is told of the rest of a ban whose end nobody set."""
_SIGNED_ANEW = frozenset({"timestamp", "recvWindow", "signature"})

Undo = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Standing:
    """A condition that is the case."""

    condition: Condition
    incident: int
    ends_at: Millis | None
    undo: Undo


class Lasting:
    """The conditions of all venues: those that wait in the plan, and those that stand."""

    def __init__(self, desks: Mapping[str, Desk], plan: FaultPlan) -> None:
        self._desks = desks
        self._plan = plan
        self._standing: dict[int, _Standing] = {}

    @property
    def standing(self) -> dict[int, Condition]:
        """What is the case now, by number."""
        return {number: each.condition for number, each in self._standing.items()}

    def arm(self, armed: Armed, now: Millis) -> int:
        """Takes anything that may be armed; a condition that is due begins at once. Returns the number to disarm it by.

        Raises ValueError with a sentence for what cannot be here, and Refused when the engine does not take it.
        """
        why = unfit(armed, self._desks)
        if why is not None:
            raise ValueError(why)
        number = self._plan.arm(armed, now)
        if isinstance(armed, Condition) and armed.after_ms == 0:
            self.begin(number, now)
        return number

    def disarm(self, number: int, now: Millis) -> bool:
        """Takes back what waits, or lifts what stands; False when there is neither."""
        return self.lift(number, now) or self._plan.disarm(number, now)

    def beat(self, now: Millis) -> None:
        """Begins what is due and lifts what is over. What the engine does not take is noted: the next beat goes on."""
        for number, each in tuple(self._standing.items()):
            if each.ends_at is not None and now >= each.ends_at:
                try:
                    self.lift(number, now)
                except Refused as refused:
                    self._desks[each.condition.venue].note(f"{each.condition.kind.value} could not end: {refused}")
        for number, condition in self._plan.due(now):
            try:
                self.begin(number, now)
            except Refused as refused:
                self._desks[condition.venue].note(f"{condition.kind.value} could not begin: {refused}")

    def begin(self, number: int, now: Millis) -> None:
        """Makes a waiting condition true. Raises Refused when the engine does not take it; it waits no longer then."""
        condition = self._plan.begun(number)
        desk = self._desks[condition.venue]
        ends_at = None if condition.lasts_ms is None else now + condition.lasts_ms
        undo = _EFFECTS[condition.kind](desk, condition, self._plan, ends_at)
        incident = self._plan.began(desk.name, condition.kind.value, now, detail=condition.symbol or "", label=condition.label)
        if condition.kind in ONCE:
            self._plan.ended(incident, now)
            return
        self._standing[number] = _Standing(condition, incident, ends_at, undo)

    def lift(self, number: int, now: Millis) -> bool:
        """Ends a condition; False when there is none of this number. What began later and changed the same goes on as if alone."""
        standing = self._standing.get(number)
        if standing is None:
            return False
        begun = list(self._standing)
        later = [n for n in begun[begun.index(number) + 1 :] if _change_the_same(self._standing[n].condition, standing.condition)]
        for each in reversed(later):
            self._standing[each].undo()
        del self._standing[number]
        self._plan.ended(standing.incident, now)
        standing.undo()
        for each in later:
            told = self._standing[each]
            undo = _EFFECTS[told.condition.kind](self._desks[told.condition.venue], told.condition, self._plan, told.ends_at)
            self._standing[each] = replace(told, undo=undo)
        return True

    def lift_all(self, now: Millis) -> None:
        """Ends every condition."""
        for number in tuple(self._standing):
            self.lift(number, now)


def _change_the_same(one: Condition, other: Condition) -> bool:
    """Whether each of two conditions sets what the other sets, so that taking one back would take back the other's."""
    family = next((family for family in _FAMILIES if one.kind in family), frozenset())
    return other.kind in family and (one.venue, one.symbol, one.account) == (other.venue, other.symbol, other.account)


def unfit(armed: Armed, desks: Mapping[str, Desk]) -> str | None:
    """Why something cannot be armed here, beginning with the field's name; None when it can."""
    desk = desks.get(armed.venue)
    if desk is None:
        return f"venue: {armed.venue!r} is not allowed: expected one of {', '.join(desks)}"
    replies = desk.dialect.troubles.replies
    if isinstance(armed, Fault):
        if armed.trouble is not None and armed.trouble not in replies:
            return f"trouble: {armed.trouble!r} is not allowed: {desk.name} says {', '.join(replies)}"
        return None
    if not isinstance(armed, Condition):
        return None
    contracts = desk.exchange.contracts
    if armed.symbol is not None and armed.symbol not in contracts:
        return f"symbol: {armed.symbol!r} is not allowed: {desk.name} lists {', '.join(contracts)}"
    if armed.account is not None and armed.account not in desk.accounts:
        return f"account: {armed.account!r} is not allowed: expected one of {', '.join(desk.accounts)}"
    if armed.kind is ConditionKind.KEYS_EXPIRED and not isinstance(desk.dialect, Keyed):
        return f"kind: 'keys_expired' is not allowed: streams of {desk.name} need no key"
    if armed.kind is ConditionKind.HEDGE_MODE and POSITION_MODE not in replies:
        return f"kind: 'hedge_mode' is not allowed: {desk.name} has no position modes"
    return _unfit_mode(armed, desk) if armed.kind is ConditionKind.ISOLATED_MARGIN else None


def _unfit_mode(armed: Condition, desk: Desk) -> str | None:
    match desk.dialect.troubles.margin_modes:
        case MarginModes.NOTHING:
            return f"kind: 'isolated_margin' is not allowed: nothing at {desk.name} is put into a margin mode"
        case MarginModes.CONTRACT if armed.symbol is None:
            return f"symbol: is missing: at {desk.name} each contract has a margin mode of its own"
        case MarginModes.ACCOUNT if armed.symbol is not None:
            return f"symbol: is not allowed: at {desk.name} the account has one margin mode"
    return None


def _silent(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    http = condition.kind is ConditionKind.SILENT
    desk.quiet(http=http, sockets=True)
    return lambda: desk.speak(http=http, sockets=True)


def _closed(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del condition, plan, ends_at
    desk.hang_up()
    return _nothing


def _answered(trouble: str, *, cuts: bool = False) -> Callable[[Desk, Condition, FaultPlan, Millis | None], Undo]:
    """Every request is answered by one of the dialect's own answers; `cuts`: sockets are cut and refused as well."""

    def effect(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
        del condition, plan

        def door(asked: HttpRequest, operation: Operation | None) -> HttpReply | None:
            del asked
            if operation is None and not cuts:
                return None
            left_ms = UNTOLD_MS if ends_at is None else ends_at - desk.clock()
            return desk.dialect.troubles.replies[trouble].lasting(left_ms)

        if cuts:
            desk.hang_up()
        return desk.put_up(door)

    return effect


def _stale_positions(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del condition, plan, ends_at
    kept: dict[tuple[object, ...], HttpReply] = {}

    def door(asked: HttpRequest, operation: Operation | None) -> HttpReply | None:
        if operation is not Operation.POSITIONS:
            return None
        query = tuple(pair for pair in parse_qsl(asked.query_string) if pair[0] not in _SIGNED_ANEW)
        question = (asked.method, asked.path, query, asked.body)
        if question not in kept:
            reply = desk.handle(asked).reply
            if reply.status != 200:
                return reply
            kept[question] = reply
        return kept[question]

    return desk.put_up(door)


def _empty_positions(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del condition, plan, ends_at
    empty = desk.dialect.troubles.replies[NO_POSITIONS].reply
    return desk.put_up(lambda _, operation: empty if operation is Operation.POSITIONS else None)


def _clock(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    by_ms = condition.by_ms or 0
    desk.shift_ms += by_ms

    def back() -> None:
        desk.shift_ms -= by_ms

    return back


def _keys(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del condition, plan, ends_at
    if isinstance(desk.dialect, Keyed):
        desk.dialect.end_keys(desk.now())
    return _nothing


def _leverage(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    desk.exchange.set_leverage(condition.account or desk.accounts[0], condition.symbol or "", condition.leverage or ZERO)
    return _nothing


def _hedge_mode(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    settings = desk.exchange.settings(condition.account or desk.accounts[0])
    before, settings.hedge_mode = settings.hedge_mode, True

    def back() -> None:
        settings.hedge_mode = before

    return back


def _isolated_margin(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    isolated = desk.exchange.settings(condition.account or desk.accounts[0]).isolated
    put = (set(desk.exchange.contracts) if condition.symbol is None else {condition.symbol}) - isolated
    isolated |= put
    return lambda: isolated.difference_update(put)


def _foreign_order(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    request = OrderRequest(
        account=condition.account or desk.accounts[0],
        symbol=condition.symbol or "",
        side=condition.side or Side.BUY,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.GTC,
        contracts=condition.contracts or ZERO,
        price=condition.price,
    )
    order = desk.place(request)

    def cancel() -> None:
        if any(each.order_id == order.order_id for each in desk.exchange.open_orders(request.account)):
            desk.cancel(request.account, request.symbol, order.order_id)

    return cancel


def _listing(listing: Listing) -> Callable[[Desk, Condition, FaultPlan, Millis | None], Undo]:
    def effect(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
        del plan, ends_at
        symbol = condition.symbol or ""
        before = desk.exchange.contracts[symbol].listing
        desk.exchange.amend(replace(desk.exchange.contracts[symbol], listing=listing))
        return lambda: desk.exchange.amend(replace(desk.exchange.contracts[symbol], listing=before))

    return effect


def _resized(desk: Desk, condition: Condition, plan: FaultPlan, ends_at: Millis | None) -> Undo:
    del plan, ends_at
    before = desk.exchange.contracts[condition.symbol or ""]
    lot, tick = condition.lot or before.lot, condition.tick or before.tick
    desk.exchange.amend(replace(before, lot=lot, tick=tick, contracts_min=max(before.contracts_min, lot)))

    def back() -> None:
        now = desk.exchange.contracts[before.symbol]
        desk.exchange.amend(replace(now, lot=before.lot, tick=before.tick, contracts_min=before.contracts_min))

    return back


def _nothing() -> None:
    """What happened once is not undone."""


_EFFECTS: Mapping[ConditionKind, Callable[[Desk, Condition, FaultPlan, Millis | None], Undo]] = {
    ConditionKind.SILENT: _silent,
    ConditionKind.HALF_OPEN: _silent,
    ConditionKind.SOCKETS_CLOSED: _closed,
    ConditionKind.MAINTENANCE: _answered(MAINTENANCE, cuts=True),
    ConditionKind.RATE_LIMITED: _answered(RATE_LIMITED),
    ConditionKind.BANNED: _answered(BANNED),
    ConditionKind.STALE_POSITIONS: _stale_positions,
    ConditionKind.EMPTY_POSITIONS: _empty_positions,
    ConditionKind.CLOCK_SHIFTED: _clock,
    ConditionKind.KEYS_EXPIRED: _keys,
    ConditionKind.LEVERAGE_CHANGED: _leverage,
    ConditionKind.HEDGE_MODE: _hedge_mode,
    ConditionKind.ISOLATED_MARGIN: _isolated_margin,
    ConditionKind.FOREIGN_ORDER: _foreign_order,
    ConditionKind.HALTED: _listing(Listing.HALTED),
    ConditionKind.DELISTED: _listing(Listing.DELISTED),
    ConditionKind.RESIZED: _resized,
}
