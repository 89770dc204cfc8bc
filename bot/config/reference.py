"""docs/configuration.md, written from the models: `python -m bot.config.reference docs/configuration.md`.

A test compares the page with what this module writes, so that the page cannot say something else than the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.config.balances_section import WALLET_HOSTS, VenueBalancesSettings
from bot.config.claims_section import ClaimsSettings, IssuerSettings, RedisSourceSettings
from bot.config.control_section import ControlSettings
from bot.config.custodian_section import CustodianSourceSettings, SimulatedCustodianSettings
from bot.config.evm_section import EvmMintSettings, EvmSourceSettings, EvmTokenSettings
from bot.config.journal_section import JournalSettings
from bot.config.policy_section import TUNABLE, bounds, explanations, plain
from bot.config.sections import (
    VENUE_HOSTS,
    AllowedSettings,
    CollateralAsset,
    CollateralSettings,
    FileSourceSettings,
    InstanceSettings,
    LoggingSettings,
    SimulatorSettings,
    VenueSettings,
)
from bot.config.settings import Settings
from bot.config.values import Credentials, Secret

_OPENING = """# Configuration

One YAML file, given to `hedgebot run`, `simulate` and `check`. Unknown and repeated keys are refused, nothing is switched off by leaving
it out, and whatever is wrong is said in one sentence with exit code 2 before anything is opened or sent. `hedgebot check CONFIG` prints
the settings as the bot understands them, without secrets, and the policy in words.

Fractions are never percentages (0.4 is 40 %). Names that end in `_ms` are milliseconds, in `_notional_max` USD. Relative paths are
relative to the folder of the file. Examples: [simulation.yaml](../config/simulation.yaml), [testnet.yaml](../config/testnet.yaml),
[demo.yaml](../config/demo.yaml), and one for each kind of collateral source: [collateral.md](collateral.md).

This page is generated from the code: `python -m bot.config.reference docs/configuration.md`.
"""

_HOLDINGS = """## The holdings file

A collateral source of kind `file` reads YAML or CSV. Totals, not changes, in each asset's own units; the bot sees a new file within
milliseconds of its being renamed into place.

```yaml
complete: 2          # optional: the number of rows; with it, a row that is taken out is a holding of zero
holdings:
  - {asset: BTC, location: custody, quantity: 12.5}
  - {asset: wstETH, location: custody, quantity: 40, redemption_rate: 1.2034}
```

```csv
asset,location,quantity,redemption_rate
BTC,custody,12.5,
wstETH,custody,40,1.2034
complete,,2,
```

Without `complete`, absence is not zero: to redeem everything, write the zero. A file that is half-written, has no final line break, names a
holding twice or carries a figure that is not a plain number is not believed at all: the last totals stay, and age.
"""

_CUSTODIAN = """## The custodian's statement

A source of kind `custodian` asks `GET url` with the header `X-API-Key` for everything of one instant, as JSON. Money is text, instants are
Unix milliseconds by the custodian's clock, `settled` is the sum of all settlements so far (positive: paid to us), `cycle` grows by one with
each, and `state` is `idle`, `frozen`, `calculating`, `settling`, `completed`, `partial`, `failed` or `excluded`.

```json
{"as_of": 1764421200000,
 "totals": [{"asset": "ETH", "quantity": "30", "redemption_rate": "1"}],
 "delegations": [{"venue": "okx", "asset": "ETH", "delegated": "10", "settled": "0.25", "due": null, "cycle": 7, "state": "idle",
                  "next_settlement_at": 1764432000000, "frozen_from": 1764431940000, "frozen_until": 1764432010000, "posted": "1"}]}
```

What is delegated is part of the total. Absence is not zero: a total or a delegation that was told before and is gone makes the whole
statement unreadable. Each custodian has an interface of its own: what translates it into this form stands beside the bot
([decision 12](decisions/0012-one-form-for-custodians.md) has the fields of Copper ClearLoop and Ceffu MirrorX).
"""

_STREAM = """## The stream of announcements

A collateral source of kind `redis` reads a stream of JSON messages, one in the field `message` of each entry. `hedgebot deposit` writes
them for people and scripts; a backend writes them with `XADD`:

```
{"type": "deposit", "claim": "D-1042", "asset": "ETH", "quantity": "12.5", "location": "custody", "depositor": "acme",
 "at": 1764421200000}
{"type": "redemption", "claim": "R-77", "stage": "priced", "asset": "ETH", "quantity": "3", "location": "custody",
 "depositor": "acme", "at": 1764421201000}
{"type": "total", "asset": "wstETH", "location": "custody", "quantity": "40", "redemption_rate": "1.2034", "at": 1764421202000}
```

Quantities are plain numbers written as text, `at` is the backend's clock in Unix milliseconds. `claim` is the idempotency key: a claim
told again is the same claim, one told with other terms is believed in neither. `stage` is `announced` (also when it is left out),
`priced`, `settled` or `canceled`, and is never taken back. A total is all that there is of an asset at a location, and alone confirms
what was announced; one with an older `at` than the last changes nothing. With `signed_with`, the field `signature` holds the HMAC-SHA256
of the bytes of `message` with that key, in hexadecimal. A message is acknowledged when the journal has it durably; one that can never be
taken is put aside in `STREAM:dead` with the reason, a huge one in part (`left_out` tells how much is not kept). Before the first total
nothing is known of the source.
"""

_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Top level", "", Settings),
    ("journal", "Or a path or a URL in place of these keys.", JournalSettings),
    (
        "control",
        "`control: {token: {file: control-token}}`. The socket stays beside it. What it protects, and TLS: [operations.md](operations.md).",
        ControlSettings,
    ),
    ("instance", "Only where two instances share a book: see [two-instances.md](two-instances.md).", InstanceSettings),
    ("logging", "", LoggingSettings),
    ("allowed", "What a mandate leaves to the desk.", AllowedSettings),
    ("venues.VENUE", "", VenueSettings),
    ("venues.VENUE.credentials", "Each of these is a secret.", Credentials),
    ("A secret", "Exactly one of the following; plain text instead of the keys counts as `text`.", Secret),
    ("collateral", "", CollateralSettings),
    ("collateral.assets.ASSET", "May be empty: `BTC: {}`.", CollateralAsset),
    ("collateral.issuers.NAME", "`Tether: {coins: [USDT], exposure_max: 5000000}`.", IssuerSettings),
    ("collateral.claims", "", ClaimsSettings),
    ("collateral.sources of kind `file`", "A list of these and the next.", FileSourceSettings),
    ("collateral.sources of kind `custodian`", "What it has to say: see below.", CustodianSourceSettings),
    ("collateral.sources of kind `redis`", "What is written there: see below.", RedisSourceSettings),
    ("collateral.sources of kind `venue_balances`", "", VenueBalancesSettings),
    ("collateral.sources of kind `evm`", "With the extra `evm` installed.", EvmSourceSettings),
    ("tokens.ASSET of kind `evm`", "May be empty for the chain's own coin: `ETH: {}`.", EvmTokenSettings),
    ("mints.ADDRESS of kind `evm`", "", EvmMintSettings),
    ("simulator", "", SimulatorSettings),
    ("simulator.custodian", "", SimulatedCustodianSettings),
)


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_OPENING, *_model_tables(), *_policy_table(), *_hosts(), _HOLDINGS, _CUSTODIAN, _STREAM])


def _model_tables() -> Iterator[str]:
    for title, remark, model in _SECTIONS:
        yield f"## {title}\n"
        if remark:
            yield f"{remark}\n"
        yield "| key | default | meaning |\n|---|---|---|"
        for name, field in model.model_fields.items():
            yield f"| `{name}` | {_default(field)} | {_cell(field.description or '')}{_choices(field.annotation)} |"
        yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value in ({}, ()):
        return "none"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _choices(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f" One of {', '.join(f'`{member.value}`' for member in annotation)}."
    if get_origin(annotation) is Literal and len(get_args(annotation)) > 1:
        return f" One of {', '.join(f'`{value}`' for value in get_args(annotation))}."
    return ""


def _policy_table() -> Iterator[str]:
    yield "## policy\n"
    yield "Each limit may be moved between the bounds in code; none can be switched off.\n"
    yield "| key | default | allowed | meaning |\n|---|---|---|---|"
    for field in TUNABLE:
        lowest, highest = bounds(field.name)
        allowed = f"{plain(lowest)} to {plain(highest)}"
        meaning = _cell(explanations().get(field.name, "See the line above."))
        yield f"| `{field.name}` | {plain(Decimal(str(field.default)))} | {allowed} | {meaning} |"
    yield ""


def _hosts() -> Iterator[str]:
    yield "## Hosts that a simulation routes\n"
    yield "| venue | hosts | beside them for a source `venue_balances` |\n|---|---|---|"
    for venue, hosts in VENUE_HOSTS.items():
        beside = WALLET_HOSTS.get(venue, ())
        yield f"| `{venue}` | {', '.join(f'`{host}`' for host in hosts)} | {', '.join(f'`{host}`' for host in beside)} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Writes the page to the path given on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
