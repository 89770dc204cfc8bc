"""How a Redis server is reached: users with few rights, and TLS with certificates that are checked."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.adapters.journal.redis_link import RedisServer
from bot.ports import JournalRefused
from tests.adapters.journal.facts import confirmed
from tests.adapters.journal.redis_process import HAS_WAITAOF, RedisProcess, free_port, has_tls, needs_redis
from tests.adapters.journal.redis_words import Place, until

pytestmark = needs_redis

RIGHTS = (
    "~{hedgebot:book}:* +role +info +config|get +evalsha +eval +exists +get +del"
    " +hset +hget +hmget +hgetall +hkeys +hdel +xadd +xtrim +xrange +xrevrange +wait" + (" +waitaof" if HAS_WAITAOF else "")
)


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate for `host` that signs itself, and its key."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hedgebot tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server that speaks TLS on the port given, and the certificate that it shows."""
    if not has_tls():
        pytest.skip("the redis-server found here was built without TLS")
    cert, key = certificate(tmp_path / "tls", "127.0.0.1")
    port = free_port()
    words = ["--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    process = RedisProcess(tmp_path / "redis", *words).start()
    yield port, cert
    process.kill()


def test_a_journal_over_tls(secured: tuple[int, Path], tmp_path: Path) -> None:
    port, cert = secured
    place = Place(RedisServer(hosts=(("127.0.0.1", port),), tls=True, ca_file=cert), "book", tmp_path / "state")
    place.written(3)
    assert place.times() == [1, 2, 3]


def test_a_certificate_that_nobody_vouches_for_is_refused(secured: tuple[int, Path], tmp_path: Path) -> None:
    port, _ = secured
    stranger, _ = certificate(tmp_path / "stranger", "127.0.0.1")
    for trusted in (stranger, None):
        server = RedisServer(hosts=(("127.0.0.1", port),), tls=True, ca_file=trusted)
        with pytest.raises(JournalRefused, match="CERTIFICATE_VERIFY_FAILED"):
            Place(server, "book", tmp_path / "state").opened(open_patience_s=0.1)


def test_a_server_without_tls_is_not_spoken_to_in_clear(redis_process: RedisProcess, tmp_path: Path) -> None:
    server = RedisServer(hosts=redis_process.server.hosts, tls=True, password="canary")
    with pytest.raises(JournalRefused) as caught:
        Place(server, "book", tmp_path / "state").opened(open_patience_s=0.1)
    assert "canary" not in str(caught.value)


def test_a_user_with_no_more_rights_than_the_manual_lists(tmp_path: Path) -> None:
    process = RedisProcess(tmp_path / "redis").start()
    try:
        with closing(process.client) as client:
            client.execute_command("ACL", "SETUSER", "bot", "on", ">secret", "resetkeys", *RIGHTS.split())
        place = Place(
            RedisServer(hosts=process.server.hosts, username="bot", password="secret"),
            "book",
            tmp_path / "state",
        )
        with closing(place.opened()) as journal:
            assert journal.doubt is None
            journal.append([confirmed(1)], [], durable=True)
            assert journal.next_epoch() == 1
            until(lambda: journal.pending == 0)
        assert place.times() == [1]
        for name in ("other", "book2"):
            with pytest.raises(JournalRefused, match="refuses"):
                Place(place.server, name, tmp_path / name).opened(open_patience_s=0.1)
    finally:
        process.kill()
