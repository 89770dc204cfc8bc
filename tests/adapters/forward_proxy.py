"""A forward proxy on loopback, and TLS in front of a plain server: the way from a closed network to a venue, in small."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOOPBACK = "127.0.0.1"


@dataclass
class ForwardProxy:
    """Opens the way by CONNECT, or passes on a request with a whole URL. `homes` says where a host lives; others are answered 403."""

    homes: Mapping[str, int]
    refuses: bool = False
    connections: int = 0
    tunnels: list[str] = field(default_factory=list)
    passed_on: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            named = urlsplit(f"//{target}" if method == "CONNECT" else target)
            home = self.homes.get(named.hostname or "")
            if home is None or self.refuses:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                onward_reader, onward = await asyncio.open_connection(LOOPBACK, home)
                if method == "CONNECT":
                    self.tunnels.append(target)
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    self.passed_on.append(target)
                    onward.write(head)
                await _both_ways((reader, writer), (onward_reader, onward))
        writer.close()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(one: Ends, other: Ends) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while heard := await reader.read(65_536):
                writer.write(heard)
                await writer.drain()
        writer.close()

    await asyncio.gather(carry(one[0], other[1]), carry(other[0], one[1]))


@asynccontextmanager
async def forward_proxy(homes: Mapping[str, int]) -> AsyncIterator[ForwardProxy]:
    """A proxy on a free port for the length of a test; `homes`: the port on which each host that it opens the way to lives."""
    told = ForwardProxy(homes)
    async with _serving(told.talk) as told.port:
        yield told


@asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port on which the plain server at `port` answers over TLS."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _both_ways((reader, writer), await asyncio.open_connection(LOOPBACK, port))

    async with _serving(talk, ssl=context) as secured:
        yield secured


@asynccontextmanager
async def _serving(talk, **options) -> AsyncIterator[int]:
    talking: set[asyncio.Task[None]] = set()

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            await talk(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            talking.discard(task)

    server = await asyncio.start_server(kept, LOOPBACK, 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in [*talking]:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


def certificate_for(hosts: Collection[str], folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for these hosts, made now: its file, for who is to trust it, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "forward proxy test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "authority.pem", folder / "key.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return file, context


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
