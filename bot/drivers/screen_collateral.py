"""What lies where, what was announced and not believed, and what custodians mirror: the part of the screen on collateral."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.text import Text

Told = dict[str, Any]
PLACES_SHOWN = 12
CLAIMS_SHOWN = 5
_HELD = {"held", "overdue"}


def collateral_lines(told: Told, clock: Any) -> Text:
    """A line for each place, each claim that people have to look at, and each delegation. `clock` writes an instant."""
    record = told.get("record") or {}
    places, claims, delegations = (record.get(name) or [] for name in ("places", "claims", "delegations"))
    lines = [_place(row) for row in places[:PLACES_SHOWN]]
    if len(places) > PLACES_SHOWN:
        lines.append(Text(f"  and {len(places) - PLACES_SHOWN} more places"))
    lines += [_sleeve(row) for row in record.get("sleeve") or [] if Decimal(row["held_usd"])]
    looked_at = [row for row in claims if row["state"] in _HELD]
    lines += [_claim(row) for row in looked_at[-CLAIMS_SHOWN:]]
    counts = record.get("claims_by_state") or {}
    if any(counts.values()):
        lines.append(Text(f"  claims: {', '.join(f'{count} {state}' for state, count in counts.items() if count)}"))
    owed = {row["venue"]: row for row in record.get("owed") or []}
    lines += [_delegation(row, owed.get(row["venue"]), clock) for row in delegations]
    return Text("\n").join([Text("collateral"), *lines]) if lines else Text("collateral: nothing was told")


def _units(told: str) -> str:
    value = Decimal(told)
    return f"{value:,.4f}".rstrip("0").rstrip(".") if value else "0"


def _place(row: Told) -> Text:
    line = Text(f"  {row['asset']} at {row['location']}: {_units(row['confirmed'])} confirmed")
    for name in ("leaving", "pending", "held_back"):
        if Decimal(row[name]):
            words = f"{_units(row[name])} {'of it leaving' if name == 'leaving' else name.replace('_', ' ')}"
            line.append(", ").append(words, style="yellow" if name == "held_back" else "")
    if row["counted"] != row["confirmed"]:
        line.append(f"; counted {_units(row['counted'])}")
    return line


def _sleeve(row: Told) -> Text:
    issuer = "" if row["issuer"] == row["asset"] else f" of {row['issuer']}"
    return Text(f"  stable sleeve: {_units(row['held_usd'])} {row['asset']}{issuer}, {_units(row['exposure_usd'])} with what venues hold")


def _claim(row: Told) -> Text:
    why = row["why"] or f"{_units(row['left'])} of it is not settled"
    words = f"{row['kind']} {row['claim']} of {_units(row['quantity'])} {row['asset']} at {row['location']} by {row['depositor']}"
    return Text(f"  {row['state']}: {words}: {why}", style="yellow")


def _delegation(row: Told, owed: Told | None, clock: Any) -> Text:
    line = Text(f"  {row['custodian']} mirrors {_units(row['delegated'])} {row['asset']} at {row['venue']}: settlement {row['cycle']} ")
    line.append(row["state"] + (", told in contradiction" if row["is_disputed"] else ""), style="yellow" if row["is_disputed"] else "")
    line.append(", frozen" if row["is_frozen"] else "")
    line.append(f", next at {clock(row['next_settlement_at'])}" if row["next_settlement_at"] is not None else "")
    if owed is not None and owed["unsettled_usd"] is not None:
        line.append(f", unsettled {_units(owed['unsettled_usd'])} USD")
    return line
