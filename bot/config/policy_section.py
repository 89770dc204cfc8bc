"""The `policy` section: the tunable fields of the core's Policy under the same names, inside the core's ceilings.

The fields are taken from the core's dataclass, so that a limit added there can be set here at once and cannot be forgotten. A fraction
above 1 is refused with a hint: 40 where 0.4 was meant would otherwise switch a limit off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model

from bot.config.explained import explanations_of
from bot.config.values import SECTION, ordinary
from bot.core.ceilings import CEILINGS
from bot.core.policy import Policy
from bot.core.units import ONE

FRACTIONS = frozenset(
    {"rebalance_band", "venue_share_max", "margin_ratio_max", "price_collar", "slippage_max", "reference_deviation_max"}
    | {"funding_flip_exit", "funding_flip_enter", "funding_trip_annual", "venue_share_drift", "rebalance_band_hard"}
    | {"open_interest_share_max", "open_interest_share_total_max", "spread_max", "collateral_share_max", "unsettled_profit_max"}
    | {"exposure_at_risk_max", "collateral_drift_per_day", "rate_drift_per_day"}
    | {"settle_exposure_max", "stablecoin_depeg_warn", "stablecoin_depeg_max", "staked_depeg_warn", "staked_depeg_max"}
    | {"reserve_need_rate", "deleveraging_rank_max", "impact_cost", "risk_free_rate", "stable_band_exit", "stable_band_enter"}
    | {"participation_max"}
)
"""Fields that are fractions: 0.4 is 40 %."""

DERIVED = frozenset(
    {
        "collateral_assets",
        "collateral_sources",
        "source_assets",
        "source_addresses",
        "instruments",
        "stables",
        "claims",
        "issuers",
        "issuer_exposure_max",
    }
)
"""Fields of the core's Policy that other sections decide."""


def bounds(name: str) -> tuple[Decimal, Decimal]:
    """The lowest and highest value that configuration may give a policy field; a fraction never passes 1 either way."""
    ceiling = CEILINGS[name]
    if name in FRACTIONS:
        return max(ceiling.lowest, -ONE), min(ceiling.highest, ONE)
    return ceiling.lowest, ceiling.highest


def plain(value: Decimal) -> str:
    """A Decimal as people write it: no exponent, no idle zeros, thousands parted."""
    return f"{value.normalize():,f}" if value else "0"


def _percent_hint(value: Any) -> Any:
    if isinstance(value, str) and value.strip().endswith("%"):
        number = value.strip().removesuffix("%").strip()
        raise ValueError(f"a fraction is needed, not a percentage; for {number} % write {_as_fraction(number)}")
    return value


def _as_fraction(number: str) -> str:
    return plain(Decimal(number) / 100) if number.replace(".", "", 1).isdigit() else "0.4 for 40 %"


def _numeric(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        raise ValueError("a number is needed")
    return ordinary(value)


def _within(name: str) -> Callable[[Any], Any]:
    lowest, highest = bounds(name)
    unit = "ms" if name.endswith("_ms") else ""
    allowed = f"allowed is {plain(lowest)} to {plain(highest)} {unit}".rstrip()

    def check(value: Any) -> Any:
        if name in FRACTIONS and abs(Decimal(value)) > 1:
            raise ValueError(f"this is a fraction, for {plain(abs(value))} % write {plain(value / 100)}; {allowed}")
        if not lowest <= value <= highest:
            raise ValueError(allowed)
        return value

    return check


def _field(field: dataclasses.Field[Any]) -> tuple[Any, Any]:
    kind = int if isinstance(field.default, int) else Decimal
    checks: list[Any] = [BeforeValidator(_numeric), AfterValidator(_within(field.name))]
    if field.name in FRACTIONS:
        checks.append(BeforeValidator(_percent_hint))
    return Annotated[(kind, *checks)], Field(default=field.default)


class PolicyFields(BaseModel):
    """The operator's limits and tastes; each has a safe default and a ceiling in code."""

    model_config = SECTION

    def values(self) -> dict[str, Any]:
        """Every tunable field of the core's Policy with its value."""
        return {name: getattr(self, name) for name in type(self).model_fields}


TUNABLE: tuple[dataclasses.Field[Any], ...] = tuple(field for field in dataclasses.fields(Policy) if field.name in CEILINGS)

_FIELDS: dict[str, Any] = {field.name: _field(field) for field in TUNABLE}

if TYPE_CHECKING:

    class PolicySection(PolicyFields):
        """A type checker cannot see the fields that are made from the core's dataclass; `values` tells them."""
else:
    PolicySection = create_model("PolicySection", __base__=PolicyFields, __doc__=PolicyFields.__doc__, **_FIELDS)


@cache
def explanations() -> dict[str, str]:
    """What each policy field means: the text that stands below it in the core."""
    return explanations_of(Policy)


_TURNS = "what an increase leaves would at once be too little, and be reduced again"


def check_policy(policy: Policy, *, venues: int) -> None:
    """Whether limits contradict each other, or the number of venues. Raises ValueError with one sentence."""
    ordered = (
        ("slippage_max", "price_collar", "an order would be priced beyond its own collar"),
        ("funding_flip_exit", "funding_flip_enter", "a venue would leave and return at once"),
        ("decision_interval_ms", "decision_beat_ms", "the shortest pause cannot pass the longest"),
        ("report_interval_ms", "report_age_max_ms", "every report would be too old before the next one"),
        ("order_notional_max", "gross_notional_max", "one order could pass the whole book's limit"),
        ("rebalance_notional_min", "order_notional_max", "no order could ever be placed"),
        *((f"{limit}_min", f"{limit}_target", _TURNS) for limit in ("margin_buffer", "inverse_buffer", "liquidation_distance")),
    )
    for low, high, why in ordered:
        if getattr(policy, low) > getattr(policy, high):
            raise ValueError(
                f"policy.{low}: {plain(Decimal(getattr(policy, low)))} is not allowed: it may not pass policy.{high} "
                f"({plain(Decimal(getattr(policy, high)))}), because {why}"
            )
    if policy.venue_share_max * venues < ONE:
        raise ValueError(
            f"policy.venue_share_max: {plain(policy.venue_share_max)} is not allowed: {venues} {'venue' if venues == 1 else 'venues'} with "
            f"this cap carry at most {plain(policy.venue_share_max * venues)} of the hedge, so the book could never be fully hedged"
        )
