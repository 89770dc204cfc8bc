"""Collateral at a custodian, over HTTP: all it holds and all it mirrors at venues, asked again and again.

Rules:
- One answer is one report: totals and delegations of one instant go to the core together, or none of it does. Each is told anew, also when
  nothing changed, because only the core can say whether a report makes sense beside what it knows.
- What fails, is not in the form (`custody_wire`), is older than `age_max`, or comes from the future is unreadable: one CollateralUnreadable
  says why, what was told last stays, and ages. After each failure the next question waits twice as long, up to a minute, or as long as the
  custodian asks for.
- Absence is not zero: the core refuses a report in which a total or a delegation is gone.
- Nothing goes anywhere but to the one host and path of the configuration: no redirect is followed, no proxy of the environment is used,
  and the host's address is the one that a simulation's routes name, or the host itself over TLS.
- Delegations to venues that are not configured are left out: nobody here tells of an account there, and all of it counts at the custodian.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import aiohttp
import certifi
from yarl import URL

from bot.adapters.collateral.custody_wire import Report, ReportUnreadable, parse
from bot.adapters.collateral.voice import Voice
from bot.core.events import CustodyReported
from bot.core.units import ONE, Asset, Millis
from bot.ports import Clock, Inbox

PAUSE_MAX_S = 60.0
"""The longest pause between two questions after failures."""
AHEAD_MAX_MS: Millis = 60_000
"""How far a custodian's clock may be ahead of ours."""
BODY_MAX = 1_000_000
"""Bytes of an answer that are read."""
ANSWER_S, CONNECT_S = 10.0, 3.0
"""Longest time for an answer, and for the making of a connection in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a custodian is asked: its URL, the key, and the base URL at which its host lives (None: at its own address, over TLS)."""

    url: str
    api_key: str
    base: str | None = None

    def target(self) -> tuple[URL, dict[str, str]]:
        """The URL that is connected to, and the headers. Raises ValueError where that would be neither TLS nor a named route."""
        url = URL(self.url)
        if url.host is None or (self.base is None and url.scheme != "https"):
            raise ValueError("a custodian is asked over https, or by a route of a simulation")
        headers = {"X-API-Key": self.api_key, "Host": url.host, "Accept": "application/json"}
        if self.base is None:
            return url, headers
        base = URL(self.base)
        return URL(f"{base.scheme}://{base.authority}{url.raw_path_qs}", encoded=True), headers

    def __repr__(self) -> str:
        return f"Endpoint({self.url})"


class _Failed(Exception):
    """Nothing was learned; the text says why, `wait_s` how long the custodian wants to be left alone."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class CustodianSource:
    """One custodian as a source of totals and delegations."""

    def __init__(
        self,
        name: str,
        location: str,
        endpoint: Endpoint,
        clock: Clock,
        *,
        poll_s: float,
        age_max: Millis,
        venues: Collection[str],
        hedged_as: Mapping[Asset, Asset],
        proxy: str | None = None,
    ) -> None:
        """`location` names its vault in the record; an asset that `hedged_as` maps to itself has rate 1; `proxy` is on the way to it.

        Raises ValueError for an endpoint that would be reached neither over TLS nor by a route.
        """
        self.name = name
        self._location, self._clock = location, clock
        self._target, self._headers = endpoint.target()
        self._poll_s, self._age_max = poll_s, age_max
        self._venues, self._hedged_as = frozenset(venues), dict(hedged_as)
        self._proxy = proxy
        self._newest: Millis = 0
        self._voice = Voice(name, clock, every_s=0.0)

    async def listen(self, inbox: Inbox) -> None:
        """Puts a report for every answer, and each new reason of a failure, until cancelled."""
        pause = self._poll_s
        self._voice.begin()
        trusted = ssl.create_default_context(cafile=certifi.where()) if self._target.scheme == "https" else True
        connector = aiohttp.TCPConnector(ssl=trusted, limit=1)
        bounds = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
        async with aiohttp.ClientSession(
            connector=connector, timeout=bounds, trust_env=False, proxy=self._proxy, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            while True:
                try:
                    self._tell(inbox, await self._asked(session))
                    pause = self._poll_s
                except _Failed as error:
                    self._voice.fail(inbox, str(error))
                    pause = max(min(PAUSE_MAX_S, pause * 2), min(PAUSE_MAX_S, error.wait_s))
                await self._clock.sleep(pause)

    async def _asked(self, session: aiohttp.ClientSession) -> Report:
        try:
            async with session.get(self._target, headers=self._headers, allow_redirects=False) as response:
                if response.status != 200:
                    raise _Failed(_refusal(response.status), _seconds(response.headers.get("Retry-After")))
                body = await response.content.read(BODY_MAX + 1)
                while len(body) <= BODY_MAX and (more := await response.content.read(BODY_MAX + 1)):
                    body += more
        except TimeoutError:
            raise _Failed("it does not answer") from None
        except aiohttp.ClientError as error:
            raise _Failed(f"it cannot be reached ({type(error).__name__})") from None
        if len(body) > BODY_MAX:
            raise _Failed(f"it says more than {BODY_MAX} bytes")
        try:
            report = parse(body)
        except ReportUnreadable as error:
            raise _Failed(str(error)) from None
        self._check_age(report)
        return report

    def _check_age(self, report: Report) -> None:
        age = self._clock.now() - report.as_of
        if age > self._age_max:
            raise _Failed(f"its report is older than max_age_ms {self._age_max} allows")
        if age < -AHEAD_MAX_MS:
            raise _Failed("its report is from the future: one of the two clocks is wrong")
        if report.as_of < self._newest:
            raise _Failed("its report is older than one that it told before")
        self._newest = report.as_of

    def _tell(self, inbox: Inbox, report: Report) -> None:
        self._voice.begin()
        inbox.put(
            CustodyReported(
                at=self._clock.now(),
                source=self.name,
                location=self._location,
                as_of=report.as_of,
                totals=tuple(
                    replace(told, redemption_rate=ONE)
                    if told.redemption_rate is None and self._hedged_as.get(told.asset) == told.asset
                    else told
                    for told in report.totals
                ),
                delegations=tuple(told for told in report.delegations if told.venue in self._venues),
            )
        )


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"it refuses the key (HTTP {status})"
    if 300 <= status < 400:
        return f"it sends elsewhere (HTTP {status}), and nothing is followed"
    return f"it answers HTTP {status}"


def _seconds(told: str | None) -> float:
    return float(told) if told is not None and told.isascii() and told.isdigit() and len(told) < 6 else 0.0
