"""What the journal's book still carries and the configuration no longer names. A start with such a remainder is refused.

The rule: nothing that moves delta may drop out of sight by a change of configuration. A holding that no source tells any more would be
hedged for ever on its last total, or twice under its source's new name; a position or an order at an instrument that is no longer named
would be neither counted nor closed; a delegation at such a venue would be missed in every report. Only
zero may be left out.
"""

from __future__ import annotations

from bot.core.custody import is_nothing
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO


class LeftOut(Exception):
    """The configuration leaves out something that the journal's book still carries: one sentence that says what to do."""


def refuse_left_out(ledger: Ledger, policy: Policy) -> None:
    """Raises LeftOut for the first remainder, by name; returns when the configuration names everything that is not zero."""
    for (source, location, asset), holding in sorted(ledger.holdings.items()):
        if source not in policy.collateral_sources and holding.quantity != ZERO:
            raise LeftOut(
                f"collateral.sources: the journal remembers {holding.quantity:f} {asset} at {location} from the source {source!r}, which"
                f" the configuration does not name: name it again, let it tell zero for everything that is gone or moved to another source,"
                " and leave it out after that"
            )
    _refuse_mirrored(ledger, policy)
    for taken in (o for record in ledger.venues.values() for o in record.taken_orders if o.instrument not in policy.instruments):
        raise LeftOut(
            f"venues: the journal remembers order {taken.name} in {taken.instrument}, taken over by {taken.taken_by}, which the"
            " configuration does not name: name it again, let the bot withdraw the order, and leave it out after that"
        )
    for instrument, position in sorted(ledger.positions.items()):
        told = position.quantity if position.dispute is None else position.quantity or position.dispute.observed
        if instrument not in policy.instruments and told != ZERO:
            raise LeftOut(
                f"venues: the journal remembers a position of {told:f} in {instrument}, which the configuration does not name: name it"
                " again, flatten it, let the bot see that it is flat, and leave it out after that"
            )
    for order in sorted(ledger.open_orders(), key=lambda o: o.client_order_id):
        if order.instrument not in policy.instruments:
            raise LeftOut(
                f"venues: the journal remembers the open order {order.client_order_id} in {order.instrument}, which the configuration does"
                " not name: name it again, let the bot find out how the order ended, flatten the position, and leave it out after that"
            )


def _refuse_mirrored(ledger: Ledger, policy: Policy) -> None:
    venues = {instrument.partition(":")[0] for instrument in policy.instruments}
    for (source, venue, asset), delegation in sorted(ledger.mirrored.items()):
        told = delegation.told
        if source in policy.collateral_sources and venue not in venues and not is_nothing(told):
            due = f" and {told.due:f} due" if told.due else ""
            raise LeftOut(
                f"venues: the journal remembers {told.delegated:f} {asset} delegated{due} at {venue} by {source!r}, which the configuration"
                " does not name: name it again, take the delegation back and have it settled, let the bot see that, and leave it out then"
            )
