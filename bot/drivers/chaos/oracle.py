"""The oracle: judges the invariants I01-I17 from the world's truth after every order, every fill and every word that the bot is told.

It shares no rule with the core. What the bot believes is looked at only where an invariant is about that (I06: does it equal the world?).
A broken invariant is kept as a sentence; the first one ends the seed. Judged here:

    I02  no fill takes a short beyond all that was to be hedged lately
    I01  an order leaves once, was durable in the store before it left, and executes no more than it asks for
    I03  nothing increases on an order that may still execute untold, on old or untold quotes, at a venue that was not read in full since it
         was last silent, or in a book or at a venue that a person halted or reduced
    I04  with all that may still execute, no cap is exceeded
    I05  a reduction is against what is held, and no order of ours turns a position round or makes a hedge long
    I09  orders and messages within the window
    I10  after a person's halt nothing leaves that places, and nothing works any more once the venues answer
    I11  only the newest run sends, under ids that begin with its epoch, which no run had before (for leases see `turns`)

Of the book (I02, I06, I07, I08, I12, I14, I17): see `judge`. I13 is tried where there are secrets (the adapters' tests), I15 by liveness
mode, I16 by the story's hash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import events as ev
from bot.core.commands import Command, PlaceOrder, ReadVenue
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId
from bot.drivers.chaos.causes import Causes
from bot.drivers.chaos.lately import LATELY_MS, HeldLately
from bot.drivers.chaos.story import Story
from bot.drivers.chaos.truth import Sent, Truth
from bot.simulator.memory import MemoryStore
from bot.simulator.model import Fill, FillKind, FundingReport, Report
from bot.simulator.world import ACCOUNT

ENDED = (ev.VenueOrderStatus.FILLED, ev.VenueOrderStatus.CANCELED, ev.VenueOrderStatus.REJECTED)
CAP_TOLERANCE = Decimal("1.03")
"""What prices may do to a cap between the decision and the truth's own look."""
ARRIVES_WITHIN_MS: Millis = 250
"""Longest way of a request to its venue, beside an expiry."""
SAID_WITHIN_MS: Millis = 1_000
"""How long the bot may take to tell people of a claim that it does not believe."""
HALT_DRAINED_MS: Millis = 5_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant."""

    invariant: str
    at: Millis
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.sentence}"


class Oracle:
    """Sees what passes between the bot and its venues (`venue.Witness`), and what really happens there."""

    def __init__(self, truth: Truth, policy: Policy, store: MemoryStore, story: Story, now: Callable[[], Millis]) -> None:
        self.truth, self._policy, self._store, self._story, self._now = truth, policy, store, story, now
        self.violations: list[Violation] = []
        self.causes = Causes(truth)
        self._lately = HeldLately(truth.world.collateral)
        self.epoch = ""
        self.life = 0
        self.halted: dict[VenueId | None, Millis] = {}
        """Since when a person let nothing be placed at a venue (None: anywhere), the world's clock."""
        self.reduced: dict[VenueId | None, Millis] = {}
        self.stopping_since: Millis | None = None
        self.offset_ms: Callable[[], Millis] = lambda: 0
        self.ledger: Callable[[], Ledger] = Ledger
        self._durable: set[ClientOrderId] = set()
        self._forgotten: set[ClientOrderId] = set()
        """Orders that the store lost: whatever they still execute is somebody else's to the bot."""
        self._looked_at = 0
        self._quoted: dict[InstrumentId, Millis] = {}
        self._silent_until: dict[VenueId, Millis] = {}
        self._read_asked: dict[VenueId, Millis] = {}
        self._asked: dict[VenueId, deque[Millis]] = {}
        self._orders: dict[VenueId, deque[Millis]] = {}
        self._messages: dict[VenueId, deque[Millis]] = {}
        self._excuses: dict[Asset, list[tuple[Decimal, Millis]]] = {}
        self._epochs: set[str] = set()
        self._strangers_until: Millis = 0
        """Until when a stranger's orders may stand beside ours without our having been told."""
        self._suspected: set[str] = set()
        self._suspects: dict[str, Millis] = {}
        self.last_change: Millis = now()
        """When anything was executed last, or the process stood still."""

    def broke(self, invariant: str, sentence: str) -> None:
        """An invariant does not hold."""
        self.violations.append(Violation(invariant, self._now(), sentence))
        self._story.tell("ORACLE", f"{invariant} {sentence}")

    def new_life(self) -> None:
        """Another run of the bot begins: it was told nothing yet."""
        self.life += 1
        self.epoch = ""
        self.stopping_since = None
        self._quoted.clear()
        self._read_asked.clear()
        self._asked.clear()
        self._suspects.clear()
        self._silent_until = dict.fromkeys(self._silent_until, self._now())

    def begun(self, epoch: str) -> None:
        """A run begins under this epoch."""
        if epoch in self._epochs:
            self.broke("I11", f"the epoch {epoch} has been a run's before")
        self._epochs.add(epoch)

    def store_lost(self) -> None:
        """The store's end is gone: what is appended from now on takes its place."""
        self.causes.store_lost()
        self._is_durable(ClientOrderId(""))
        self._looked_at = 0
        known = {c.client_order_id for entry in self._store.entries for c in entry.commands if isinstance(c, PlaceOrder)}
        self._forgotten |= set(self.truth.sent) - known

    def paused(self, for_ms: Millis) -> None:
        """The process stood still: whatever happened meanwhile, it could not be told, and lately is not counted from then on."""
        self.last_change = self._now()
        self._lately.stood_still(for_ms)

    def folded(self, event: ev.Event) -> None:
        """The newest run has taken a person's word, or was asked to end."""
        if isinstance(event, ev.StopRequested):
            self.stopping_since = self._now()
        elif isinstance(event, ev.OperatorActed) and event.action is ev.OperatorAction.HALT:
            self.halted.setdefault(event.venue, self._now())
        elif isinstance(event, ev.OperatorActed) and event.action is ev.OperatorAction.REDUCE:
            self.reduced.setdefault(event.venue, self._now())

    def resumed(self, venue: VenueId | None) -> None:
        """A person lets a venue, or the book, go on."""
        self.halted.pop(venue, None)
        self.reduced.pop(venue, None)

    # what leaves

    def leaving(self, command: Command, venue: VenueId) -> None:
        """A command is about to leave the bot."""
        now = self._now()
        messages = self._within(self._messages, venue, now)
        messages.append(now)
        if len(messages) > self._policy.message_rate_max + self._policy.order_rate_max:
            self.broke("I09", f"{len(messages)} messages to {venue} within {self._policy.order_rate_window_ms} ms")
        if isinstance(command, ReadVenue):
            self._asked.setdefault(venue, deque(maxlen=64)).append(now)
        elif isinstance(command, PlaceOrder):
            kind = "reduce" if command.reduce_only else "place"
            self._story.tell(venue, f"<- {kind} {command.client_order_id} {command.instrument} {command.quantity:f} at {command.price:f}")
            self._placing(command, venue, now)
        else:
            name = getattr(command, "client_order_id", "")
            self._story.tell(venue, f"<- {type(command).__name__} {name}")

    def _placing(self, command: PlaceOrder, venue: VenueId, now: Millis) -> None:
        order_id = command.client_order_id
        if order_id in self.truth.sent:
            self.broke("I01", f"order {order_id} leaves a second time")
        if not self.epoch:
            self.epoch = order_id[: -len("000001")]
        if not order_id.startswith(self.epoch):
            self.broke("I11", f"order {order_id} is not of the epoch {self.epoch}")
        if not self._is_durable(order_id):
            self.broke("I01", f"order {order_id} leaves before it is durable")
        orders = self._within(self._orders, venue, now)
        orders.append(now)
        if len(orders) > self._policy.order_rate_max:
            self.broke("I09", f"{len(orders)} orders to {venue} within {self._policy.order_rate_window_ms} ms")
        self._person(command, venue)
        order = self.ledger().orders.get(order_id)
        if not command.reduce_only:
            self._increasing(command, venue, now, now if order is None else order.placed_at - self.offset_ms())
        until = command.expires_at - self.offset_ms() + ARRIVES_WITHIN_MS
        sent = self.truth.leaves(command, now, until)
        sent.is_move = order is not None and "change of venue" in order.reason
        if not command.reduce_only and now > self._strangers_until:
            self._caps(sent, venue, now)

    def strange(self, command: PlaceOrder, venue: VenueId, until: Millis) -> None:
        """An order leaves a run whose lease another server granted: to the newest run it is a stranger's."""
        now, order_id = self._now(), command.client_order_id
        self._story.tell(venue, f"<- strange {order_id} {command.instrument} {command.quantity:f} at {command.price:f}")
        if order_id in self.truth.sent:
            self.broke("I01", f"order {order_id} leaves a second time")
        self.truth.leaves(command, now, until).is_told = True
        self._forgotten.add(order_id)
        self.causes.moved_by_others(command.instrument)
        self._strangers_until = now + LATELY_MS

    def _within(self, kept: dict[VenueId, deque[Millis]], venue: VenueId, now: Millis) -> deque[Millis]:
        found = kept.setdefault(venue, deque())
        while found and found[0] <= now - self._policy.order_rate_window_ms:
            found.popleft()
        return found

    def _is_durable(self, order_id: ClientOrderId) -> bool:
        entries = self._store.entries
        self._looked_at = min(self._looked_at, len(entries))
        for entry in entries[self._looked_at :]:
            self._durable.update(c.client_order_id for c in entry.commands if isinstance(c, PlaceOrder))
        self._looked_at = len(entries)
        return order_id in self._durable

    def _person(self, command: PlaceOrder, venue: VenueId) -> None:
        for scope in (None, venue):
            if scope in self.halted:
                self.broke("I10", f"order {command.client_order_id} leaves although a person halted {scope or 'the book'}")
        if self.stopping_since is not None and self._now() > self.stopping_since:
            self.broke("I03", f"order {command.client_order_id} leaves a run that is to stop")
        if not command.reduce_only and venue in self.reduced:
            self.broke("I03", f"order {command.client_order_id} increases at {venue}, where a person lets it only reduce")

    def _increasing(self, command: PlaceOrder, venue: VenueId, now: Millis, decided: Millis) -> None:
        """`decided`: when, the world's clock. A silence told in that millisecond or later, while the store took its time, is not heeded."""
        instrument = command.instrument
        for sent in self.truth.may_fill(now):
            if sent.command.instrument == instrument and not sent.is_told:
                self.broke("I03", f"{instrument} increases while {sent.command.client_order_id} may still execute there, untold")
        quoted = self._quoted.get(instrument)
        oldest = self._policy.quote_age_max_ms + self._policy.order_expiry_ms
        if quoted is None or now - quoted > oldest:
            age = "never" if quoted is None else f"{now - quoted} ms ago"
            self.broke("I03", f"{instrument} increases on a quote that came {age}")
        silent, asked = self._silent_until.get(venue), self._read_asked.get(venue)
        if asked is None or (silent is not None and asked < silent < decided):
            self.broke("I03", f"{instrument} increases at {venue}, which was not read in full since it was last silent")

    def _caps(self, sent: Sent, venue: VenueId, now: Millis) -> None:
        policy, name = self._policy, sent.command.client_order_id
        gross = sum((self.truth.venue_usd(v, now) for v in self.truth.world.exchanges), ZERO)
        if gross > policy.gross_notional_max * CAP_TOLERANCE:
            self.broke("I04", f"order {name} takes the gross notional to {gross:.0f} USD")
        listed = self.truth.world.instruments[sent.command.instrument]
        value = self.truth.notional(listed.id, abs(self.truth.positions[listed.id]) + abs(sent.command.quantity))
        if value > policy.instrument_notional_max * CAP_TOLERANCE:
            self.broke("I04", f"order {name} takes {listed.id} to {value:.0f} USD")
        if any(here.marks for here in self.truth.world.conditions.values()):
            return  # what is held in coins beside inverse positions is valued at their own mark, and so are the shares of it
        assets = sorted(set(policy.collateral_assets.values()))
        required = sum((self.truth.held_usd(a) + self._shrunk(a) for a in assets), ZERO)
        total = self.truth.venue_usd(venue, now)
        if total > required * policy.venue_share_max * CAP_TOLERANCE + policy.venue_move_notional_min:
            self.broke("I04", f"order {name} takes {venue} to {total:.0f} USD of {required:.0f} that are to be hedged")

    def _shrunk(self, asset: Asset) -> Decimal:
        """How much more custody held, or was promised, within what the bot may not have been told yet: USD >= 0 at the price of now."""
        return max(self._lately.most(asset) - self.truth.custody(asset), ZERO) * self.truth.price(asset)

    def held(self, asset: Asset) -> None:
        """What custody holds of an asset, or was promised, may have changed: it is looked at again."""
        self._lately.observe(asset, self.truth.custody(asset) + self.truth.promised(asset))

    # what the bot says

    def awaits_word(self, claim: str) -> None:
        """The bot has taken something of a claim that nobody may believe, and has to say so."""
        self._suspects[claim] = self._now()

    def noted(self, note: Note) -> None:
        """The bot says something."""
        if (wrong := self.causes.noted(note)) is not None:
            self.broke("I07", wrong)
        if note.kind == "quarantine":
            self._suspected.add(note.sentence.partition(" ")[0])

    def look_at_suspects(self) -> None:
        """F32: what nobody may believe was told to people."""
        for claim in [c for c, at in self._suspects.items() if self._now() - at >= SAID_WITHIN_MS]:
            del self._suspects[claim]
            if claim not in self._suspected:
                self.broke("TOLD", f"{claim} is not to be believed, and the bot says nothing of it")

    # what the bot is told

    def told(self, venue: VenueId, event: ev.Event) -> None:
        """The bot is told something by a venue."""
        if isinstance(event, ev.OrderReported):
            self._story.tell(venue, f"-> {event.report.client_order_id} {event.report.status.value} {event.report.filled_quantity}")
            self._told_order(event.report)
        elif isinstance(event, ev.FillReported):
            self._story.tell(venue, f"-> fill {event.fill.quantity:f} at {event.fill.price:f} of {event.fill.client_order_id}")
            self._told_fill(event.fill)
        elif isinstance(event, ev.OrderRefused):
            self._story.tell(venue, f"-> {event.client_order_id} refused: {event.code}")
            sent = self.truth.sent.get(event.client_order_id)
            if sent is not None:
                sent.is_told = sent.has_ended = True
        elif isinstance(event, ev.VenueReported):
            self._told_reading(venue, event)
        elif isinstance(event, ev.VenueLinkChanged):
            self._story.tell(venue, f"-> link {event.link.value}")
            if event.link is not ev.VenueLink.UP:
                self._silent_until[venue] = self._now()
        elif isinstance(event, ev.OrderOutcomeUnknown | ev.OrderAbsent | ev.LookUpFailed | ev.CancelUnconfirmed):
            self._story.tell(venue, f"-> {type(event).__name__} {event.client_order_id}")
        elif isinstance(event, ev.VenueUnreadable):
            if asked := self._asked.get(venue):
                asked.popleft()
            self._story.tell(venue, f"-> unreadable: {event.reason}")

    def _told_order(self, report: ev.OrderReport) -> None:
        sent = None if report.client_order_id is None else self.truth.sent.get(report.client_order_id)
        if sent is not None:
            sent.told = max(sent.told, abs(report.filled_quantity or ZERO))
            sent.is_told = sent.is_told or report.status in ENDED
            sent.has_ended = sent.has_ended or report.status is ev.VenueOrderStatus.REJECTED  # one that the engine never had

    def _told_fill(self, fill: ev.FillReport) -> None:
        sent = None if fill.client_order_id is None else self.truth.sent.get(fill.client_order_id)
        if sent is not None:
            sent.fill_ids[fill.fill_id] = abs(fill.quantity)
            sent.told = max(sent.told, sum(sent.fill_ids.values(), ZERO))
            sent.is_told = sent.is_told or sent.told >= abs(sent.command.quantity)

    def _told_reading(self, venue: VenueId, event: ev.VenueReported) -> None:
        asked = self._asked.get(venue)
        self._read_asked[venue] = max(self._read_asked.get(venue, 0), asked.popleft() if asked else self._now())
        for report in event.orders:
            self._told_order(report)
        for fill in event.fills:
            self._told_fill(fill)

    def quoted(self, quote: ev.Quote) -> None:
        """The bot is told a market view."""
        self._quoted[quote.instrument] = self._now()

    # what really happens

    def happened(self, venue: VenueId, reports: Sequence[Report]) -> None:
        """The engine of a venue reports; nobody has been told yet."""
        before = dict(self.truth.positions)
        fills = self.truth.take(venue, reports)
        for report in reports:
            if isinstance(report, FundingReport) and report.record.account == ACCOUNT:
                self.causes.paid(venue, report.record, self._now())
        for fill in fills:
            self.causes.filled(venue, fill, self._now(), self.ledger())
            self.last_change = self._now()
            self._executed(venue, fill, before)

    def _executed(self, venue: VenueId, fill: Fill, before: dict[InstrumentId, Decimal]) -> None:
        listed = self.truth.instrument(venue, fill.symbol)
        if listed is None:
            return
        what = f"{fill.contracts * fill.side.sign:f} contracts at {fill.price:f}"
        self._story.tell(venue, f"== {fill.kind.value} {listed.id} {what} of {fill.client_order_id}")
        sent = None if fill.client_order_id is None else self.truth.sent.get(ClientOrderId(fill.client_order_id))
        if sent is None or fill.kind is not FillKind.TRADE:
            return
        if sent.filled > abs(sent.command.quantity):
            self.broke("I01", f"order {fill.client_order_id} of {sent.command.quantity:f} executed {sent.filled:f}")
        was, now = before[listed.id], self.truth.positions[listed.id]
        if was * now < ZERO:
            self.broke("I05", f"order {fill.client_order_id} turned {listed.id} from {was:f} to {now:f}")
        elif now > max(was, ZERO):
            self.broke("I05", f"order {fill.client_order_id} made {listed.id} long: {now:f}")
        if now < was and fill.client_order_id in self._forgotten:
            self.excuse(listed.base, self.truth.notional(listed.id, was - now), LATELY_MS)
        elif now < was:
            self._overshoot(sent, listed.base)

    def _overshoot(self, sent: Sent, asset: Asset) -> None:
        """I02: no fill takes the short beyond all that was to be hedged lately. A change of venue raises its new leg first, by a slice of
        what is carried elsewhere; what fills beside it finds that there."""
        now, truth = self._now(), self.truth
        beyond = -truth.delta(asset) * truth.price(asset)
        excused = sum((units for units, until in self._excuses.get(asset, ()) if now <= until), ZERO) * truth.price(asset)
        led = truth.carried_beside(sent.command.instrument) if sent.is_move else truth.led_usd(asset, now - LATELY_MS)
        if beyond > truth.band_usd(asset) + self._shrunk(asset) + excused + min(self._policy.order_notional_max, led):
            self.broke("I02", f"order {sent.command.client_order_id} took {asset} {beyond:.0f} USD short of what is held")

    def is_protected(self, asset: Asset, sent: int) -> bool:
        """Whether an asset is not short beyond its band, or a reduction of it is among the orders after the first so many."""
        truth = self.truth
        if -truth.delta(asset) * truth.price(asset) <= truth.band_usd(asset):
            return True
        later = [s.command for s in truth.sent.values()][sent:]
        return any(c.reduce_only and truth.world.instruments[c.instrument].base == asset for c in later)

    def forgotten_works(self, asset: Asset) -> bool:
        """Whether an order that the store lost may still be executed at an instrument of an asset."""
        lost = (s.command for s in self.truth.may_fill(self._now()) if s.command.client_order_id in self._forgotten)
        return any(self.truth.world.instruments[c.instrument].base == asset for c in lost)

    def excuse(self, asset: Asset, usd: Decimal, for_ms: Millis) -> None:
        """So much of an asset was moved by others, and the bot cannot have been told for so long."""
        self._excuses.setdefault(asset, []).append((abs(usd) / self.truth.price(asset), self._now() + for_ms))
