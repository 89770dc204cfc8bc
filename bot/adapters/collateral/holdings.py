"""The form of a holdings file, read strictly and written whole. Pure text in, totals out.

The rule: absence is not zero. A row that is not there says nothing about its holding. It means zero only when the file declares how many
rows it has, and has them: then a cut file (which is well-formed up to any row border) cannot pass for a complete one. Every number is
read from its written digits, every row needs all of asset, location and quantity, no (asset, location) may stand twice, and the text
must end with a line break, because a writer that was interrupted inside the last line leaves none.

YAML                                                            CSV

    complete: 2            # optional: number of rows               asset,location,quantity,redemption_rate
    holdings:                                                       BTC,custody,12.5,
      - {asset: BTC, location: custody, quantity: 12.5}             wstETH,custody,40,1.2034
      - {asset: wstETH, location: custody, quantity: 40,            complete,,2,
         redemption_rate: 1.2034}

Quantities are in the asset's own units, at least zero; redemption rates are units of the hedged asset per unit, above zero; a rate that
is left out is unknown.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from bot.core.units import ZERO, Asset

COLUMNS = ("asset", "location", "quantity", "redemption_rate")
COMPLETE = "complete"

_ASSET = re.compile(r"[A-Za-z0-9]{1,20}")
_NUMBER = re.compile(r"\d{1,24}(\.\d{1,24})?", re.ASCII)
_ROWS_MAX = 10_000
_LOCATION_MAX = 100
_LENGTH_MAX = 4 * 1024 * 1024


class HoldingsUnreadable(ValueError):
    """The file says nothing that may be believed: one sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One asset at one location: its total, and its redemption rate where the file tells it."""

    asset: Asset
    location: str
    quantity: Decimal
    redemption_rate: Decimal | None = None

    @property
    def place(self) -> tuple[Asset, str]:
        """What the row is about; at most one row of a file is."""
        return self.asset, self.location


@dataclass(frozen=True, slots=True)
class Holdings:
    """A whole file. `is_complete`: a holding that is not in it is zero."""

    rows: tuple[Row, ...]
    is_complete: bool


def parse(content: bytes, suffix: str) -> Holdings:
    """The holdings in a file's bytes; `suffix` (.yaml, .yml or .csv) names its form. Raises HoldingsUnreadable."""
    if len(content) > _LENGTH_MAX:
        raise HoldingsUnreadable(f"the file is longer than {_LENGTH_MAX} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HoldingsUnreadable("the file is not text in UTF-8") from None
    if not text.strip():
        raise HoldingsUnreadable("the file is empty")
    if not text.endswith("\n"):
        raise HoldingsUnreadable("the last line does not end: the file is half-written or was saved without a final line break")
    records, declared = _from_csv(text) if suffix == ".csv" else _from_yaml(text)
    if len(records) > _ROWS_MAX:
        raise HoldingsUnreadable(f"the file has more than {_ROWS_MAX} rows")
    rows = tuple(_row(number, record) for number, record in enumerate(records, 1))
    twice = next((place for place, times in Counter(row.place for row in rows).items() if times > 1), None)
    if twice is not None:
        raise HoldingsUnreadable(f"{twice[0]} at {twice[1]} stands twice")
    if declared is not None and declared != str(len(rows)):
        raise HoldingsUnreadable(f"the file declares {declared} rows and has {len(rows)}: it is half-written, or the count is wrong")
    return Holdings(rows, declared is not None)


class _TextLoader(yaml.BaseLoader):
    """Every scalar stays the text that was written, and no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, times in Counter(str(key.value) for key, _ in node.value).items():
            if times > 1:
                raise HoldingsUnreadable(f"the key {key!r} is written twice")
        return super().construct_mapping(node, deep=deep)


def _from_yaml(text: str) -> tuple[list[Mapping[str, Any]], str | None]:
    try:
        document = yaml.load(text, Loader=_TextLoader)  # noqa: S506  this loader makes nothing but text, lists and mappings
    except HoldingsUnreadable:
        raise
    except RecursionError:
        raise HoldingsUnreadable("this is nested too deeply") from None
    except Exception as error:  # besides its own, PyYAML lets out what it meets: OverflowError for "\\UFFFFFFFF", and others
        raise HoldingsUnreadable(f"this is not YAML: {' '.join(str(error).split()) or type(error).__name__}") from None
    if not isinstance(document, dict) or not isinstance(document.get("holdings"), list):
        raise HoldingsUnreadable("expected a list below the key 'holdings'")
    unknown = sorted(set(document) - {COMPLETE, "holdings"})
    if unknown:
        raise HoldingsUnreadable(f"the key {unknown[0]!r} is unknown")
    declared = document.get(COMPLETE)
    if declared is not None and not isinstance(declared, str):
        raise HoldingsUnreadable("'complete' takes the number of rows")
    records = document["holdings"]
    if not all(isinstance(record, dict) for record in records):
        raise HoldingsUnreadable("each holding needs keys: asset, location, quantity")
    return records, declared


def _from_csv(text: str) -> tuple[list[Mapping[str, Any]], str | None]:
    try:
        lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), strict=True) if any(map(str.strip, line))]
    except csv.Error as error:
        raise HoldingsUnreadable(f"this is not CSV: {error}") from None
    header = lines[0]
    if header not in ([*COLUMNS], [*COLUMNS[:3]]):
        raise HoldingsUnreadable(f"the first line must be {','.join(COLUMNS)} (the last column may be left out)")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise HoldingsUnreadable(f"line {number} has {len(line)} cells instead of {len(header)}")
    declared = None
    if len(lines) > 1 and lines[-1][0].lower() == COMPLETE:
        declared = lines.pop()[2]
    return [{name: cell for name, cell in zip(header, line, strict=True) if cell} for line in lines[1:]], declared


def _row(number: int, record: Mapping[str, Any]) -> Row:
    for name in COLUMNS[:3]:
        if not record.get(name):
            raise HoldingsUnreadable(f"row {number} has no {name}")
    for name, value in record.items():
        if name not in COLUMNS:
            raise HoldingsUnreadable(f"row {number}: the key {name!r} is unknown")
        if not isinstance(value, str):
            raise HoldingsUnreadable(f"row {number}: {name} must be a plain value")
    if not _ASSET.fullmatch(record["asset"]):
        raise HoldingsUnreadable(f"row {number}: {record['asset']!r} is not an asset's name")
    if not record["location"].isprintable() or len(record["location"]) > _LOCATION_MAX:
        raise HoldingsUnreadable(f"row {number}: {record['location'][:_LOCATION_MAX]!a} is not a location's name")
    rate = record.get("redemption_rate")
    return Row(
        asset=Asset(record["asset"]),
        location=record["location"],
        quantity=_number(number, "quantity", record["quantity"]),
        redemption_rate=None if not rate else _positive(number, rate),
    )


def _number(row: int, name: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise HoldingsUnreadable(f"row {row}: {name} {text!r} is not a plain number of at least zero")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise HoldingsUnreadable(f"row {row}: {name} {text!r} is not a number") from None


def _positive(row: int, text: str) -> Decimal:
    value = _number(row, "redemption_rate", text)
    if value == ZERO:
        raise HoldingsUnreadable(f"row {row}: a redemption_rate of zero makes no sense; leave it out when it is not known")
    return value


def write_holdings(path: Path, rows: Iterable[Row], *, complete: bool = True) -> None:
    """Replaces the file at `path` as one: a reader sees the old content or the new, never a part. The suffix decides the form.

    With `complete` the file declares its number of rows, so that a row left out is a holding of zero.
    """
    listed = list(rows)
    text = _as_csv(listed, complete=complete) if path.suffix == ".csv" else _as_yaml(listed, complete=complete)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _cells(row: Row) -> dict[str, str]:
    """The row's cells, the quantity last: a row that is cut anywhere lacks it, and is refused."""
    rate = {} if row.redemption_rate is None else {"redemption_rate": f"{row.redemption_rate:f}"}
    return {"asset": str(row.asset), "location": row.location, **rate, "quantity": f"{row.quantity:f}"}


def _as_yaml(rows: list[Row], *, complete: bool) -> str:
    document: dict[str, Any] = {COMPLETE: str(len(rows))} if complete else {}
    return yaml.safe_dump(document | {"holdings": [_cells(row) for row in rows]}, sort_keys=False, allow_unicode=True)


def _as_csv(rows: list[Row], *, complete: bool) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_cells(row) for row in rows)
    if complete:
        writer.writerow({"asset": COMPLETE, "quantity": str(len(rows))})
    return out.getvalue()
