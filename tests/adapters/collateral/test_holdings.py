"""The holdings file is read strictly: what it does not clearly say, it does not say."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.collateral.holdings import Holdings, HoldingsUnreadable, Row, parse, write_holdings
from bot.core.units import Asset

YAML = b"""complete: 2
holdings:
  - {asset: BTC, location: custody, quantity: 12.50}
  - asset: wstETH
    location: custody
    quantity: 40
    redemption_rate: 1.2034
"""
CSV = b"""asset,location,quantity,redemption_rate
BTC,custody,12.50,
wstETH, custody ,40,1.2034
complete,,2,
"""
BTC = Row(Asset("BTC"), "custody", Decimal("12.50"))
WSTETH = Row(Asset("wstETH"), "custody", Decimal(40), Decimal("1.2034"))


@pytest.mark.parametrize(("content", "suffix"), [(YAML, ".yaml"), (YAML, ".yml"), (CSV, ".csv"), (CSV.replace(b"\n", b"\r\n"), ".csv"),
                                                 (b"\xef\xbb\xbf" + CSV, ".csv")])  # fmt: skip
def test_both_forms_say_the_same(content: bytes, suffix: str) -> None:
    assert parse(content, suffix) == Holdings((BTC, WSTETH), is_complete=True)
    assert str(parse(content, suffix).rows[0].quantity) == "12.50"


def test_without_a_count_a_file_is_not_complete() -> None:
    assert not parse(YAML.replace(b"complete: 2\n", b""), ".yaml").is_complete
    assert not parse(CSV.replace(b"complete,,2,\n", b""), ".csv").is_complete
    assert parse(b"complete: 0\nholdings: []\n", ".yaml") == Holdings((), is_complete=True)
    assert parse(b"asset,location,quantity\ncomplete,,0\n", ".csv") == Holdings((), is_complete=True)


@pytest.mark.parametrize(
    ("content", "suffix", "sentence"),
    [
        (b"", ".yaml", "empty"),
        (b"\n \n", ".csv", "empty"),
        (b"\xff\xfe", ".yaml", "not text"),
        (YAML.rstrip(b"\n"), ".yaml", "half-written"),
        (CSV.rstrip(b"\n"), ".csv", "half-written"),
        (YAML.replace(b"complete: 2", b"complete: 3"), ".yaml", "declares 3 rows and has 2"),
        (CSV.replace(b"complete,,2", b"complete,,1"), ".csv", "declares 1 rows and has 2"),
        (YAML.replace(b"complete: 2", b"complete: yes"), ".yaml", "declares yes rows"),
        (YAML.replace(b"complete: 2", b"complete: [2]"), ".yaml", "number of rows"),
        (YAML.replace(b"12.50", b"-1"), ".yaml", "row 1: quantity '-1' is not a plain number of at least zero"),
        (YAML.replace(b"12.50", b".nan"), ".yaml", "'.nan' is not a plain number"),
        (YAML.replace(b"12.50", b"1e3"), ".yaml", "not a plain number"),
        (YAML.replace(b"12.50", "\u0661\u0662".encode()), ".yaml", "not a plain number"),
        (YAML.replace(b"12.50", b"1,000"), ".yaml", "not a plain number|unknown"),
        (YAML.replace(b"12.50", b"''"), ".yaml", "row 1 has no quantity"),
        (YAML.replace(b"12.50", b"[1]"), ".yaml", "row 1: quantity must be a plain value"),
        (YAML.replace(b"1.2034", b"0"), ".yaml", "row 2: a redemption_rate of zero makes no sense"),
        (YAML.replace(b"1.2034", b"n/a"), ".yaml", "row 2: redemption_rate 'n/a' is not a plain number"),
        (YAML.replace(b"wstETH", b"BTC"), ".yaml", "BTC at custody stands twice"),
        (CSV.replace(b"wstETH", b"BTC"), ".csv", "BTC at custody stands twice"),
        (YAML.replace(b"location: custody, ", b""), ".yaml", "row 1 has no location"),
        (YAML.replace(b"quantity: 40", b"quantity: 40\n    quantity: 41"), ".yaml", "the key 'quantity' is written twice"),
        (YAML.replace(b"quantity: 40", b"quantiy: 40"), ".yaml", "row 2 has no quantity"),
        (YAML.replace(b"redemption_rate", b"rate"), ".yaml", "the key 'rate' is unknown"),
        (YAML.replace(b"complete", b"completed"), ".yaml", "the key 'completed' is unknown"),
        (YAML.replace(b"asset: BTC", b"asset: B/C"), ".yaml", "'B/C' is not an asset's name"),
        (b"holdings: 5\n", ".yaml", "expected a list"),
        (b"holdings:\n", ".yaml", "expected a list"),
        (b"holdings: [BTC]\n", ".yaml", "each holding needs keys"),
        (b"- a\n", ".yaml", "expected a list"),
        (b"a: [\n", ".yaml", "not YAML"),
        (b"a: !!python/name:os.system\n", ".yaml", "expected a list|not YAML"),
        (b"a: " + b"[" * 5_000 + b"\n", ".yaml", "nested too deeply"),
        (YAML.replace(b"location: custody, ", b'location: "\\UFFFFFFFF", '), ".yaml", "not YAML"),
        (YAML.replace(b"location: custody, ", b'location: "\\ud800", '), ".yaml", r"row 1: '\\ud800' is not a location's name"),
        (YAML.replace(b"location: custody, ", b'location: "a\\nb", '), ".yaml", r"row 1: 'a\\nb' is not a location's name"),
        (YAML.replace(b"location: custody, ", b"location: " + b"x" * 101 + b", "), ".yaml", "row 1: 'x+' is not a location's name"),
        (b"BTC,custody,1\n", ".csv", "the first line must be asset,location,quantity,redemption_rate"),
        (CSV.replace(b"12.50,", b"12.50"), ".csv", "line 2 has 3 cells instead of 4"),
        (CSV.replace(b"BTC", b'"BTC"x'), ".csv", "not CSV"),
        (b"#" * 5_000_000 + b"\n", ".yaml", "longer than"),
        (b"asset,location,quantity\n" + b"".join(b"A%d,c,1\n" % n for n in range(10_001)), ".csv", "more than 10000 rows"),
    ],
)
def test_what_is_not_clear_is_refused(content: bytes, suffix: str, sentence: str) -> None:
    with pytest.raises(HoldingsUnreadable, match=sentence) as refused:
        parse(content, suffix)
    assert "\n" not in str(refused.value)


def whole_or_not_complete(content: bytes, suffix: str) -> bool:
    try:
        return not parse(content, suffix).is_complete
    except HoldingsUnreadable:
        return True


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_no_part_of_a_complete_file_passes_for_a_complete_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"holdings{suffix}"
    write_holdings(path, [BTC, WSTETH])
    content = path.read_bytes()
    assert parse(content, suffix).is_complete
    for end in range(len(content)):
        assert whole_or_not_complete(content[:end], suffix), content[:end]


def test_no_part_of_a_hand_written_file_loses_a_row() -> None:
    for end in range(len(YAML)):
        if not whole_or_not_complete(YAML[:end], ".yaml"):
            assert [row.quantity for row in parse(YAML[:end], ".yaml").rows] == [BTC.quantity, WSTETH.quantity]


NUMBERS = st.decimals(min_value=0, max_value=10**9, places=8)
ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(["BTC", "ETH", "wstETH", "USDT"]).map(Asset),
        st.text("abcdef -_:#,'\"é", min_size=1, max_size=12).map(str.strip).filter(bool),
        NUMBERS,
        st.none() | st.decimals(min_value=Decimal("0.0001"), max_value=100, places=6),
    ),
    max_size=6,
    unique_by=lambda row: row.place,
)


@given(ROWS, st.booleans(), st.sampled_from([".yaml", ".csv"]))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Row], complete: bool, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"holdings{suffix}"
    write_holdings(path, rows, complete=complete)
    assert parse(path.read_bytes(), suffix) == Holdings(tuple(rows), complete)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "holdings.yaml"
    write_holdings(path, [BTC])
    before = path.read_bytes()
    path.with_suffix(".d").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_holdings(path.with_suffix(".d"), [BTC])
    assert path.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == ["holdings.d", "holdings.yaml"]
