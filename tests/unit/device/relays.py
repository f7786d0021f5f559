"""Two stand-in relays on loopback with real TLS: a CONNECT proxy and a WebSocket home."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import picows
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from cloister.client.effects import Route
from cloister.wire.frame import SUBPROTOCOL


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate with its key."""

    certificate: bytes
    pem: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.pem)
        return context


def make_identity(folder: Path, name: str) -> Identity:
    key = Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, None)
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return Identity(certificate.public_bytes(serialization.Encoding.DER), pem)


OnFrame = Callable[[picows.WSTransport, bytes], None]


@dataclass
class Relays:
    """What the stand-ins know of themselves."""

    entry: Identity
    home: Identity
    entry_port: int = 0
    home_port: int = 0
    connected: list[picows.WSTransport] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    subprotocols: list[str | None] = field(default_factory=list)

    def route(self, **changes: object) -> Route:
        fields: dict[str, object] = {
            "entry_host": "127.0.0.1",
            "entry_port": self.entry_port,
            "entry_certificate": self.entry.certificate,
            "home_host": "127.0.0.1",
            "home_port": self.home_port,
            "home_certificate": self.home.certificate,
        }
        return Route(**{**fields, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def stand_in_relays(
    folder: Path,
    *,
    greet: Callable[[picows.WSTransport], None] = lambda transport: None,
    on_frame: OnFrame = lambda transport, frame: None,
    subprotocol: str = SUBPROTOCOL,
) -> AsyncIterator[Relays]:
    """Run both; ``greet`` and ``on_frame`` are the home's behaviour."""
    relays = Relays(make_identity(folder, "entry"), make_identity(folder, "home"))

    class Home(picows.WSListener):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            relays.connected.append(transport)
            greet(transport)

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type is picows.WSMsgType.BINARY:
                on_frame(transport, frame.get_payload_as_bytes())

    def accept(request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
        relays.subprotocols.append(request.headers.get("Sec-WebSocket-Protocol"))
        response = picows.WSUpgradeResponse.create_101_response(
            extra_headers={"Sec-WebSocket-Protocol": subprotocol}
        )
        return picows.WSUpgradeResponseWithListener(response, Home())

    async def entry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ")[1].decode()
            relays.dialled.append(target)
            if target != f"127.0.0.1:{relays.home_port}":
                writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            home_reader, home_writer = await asyncio.open_connection("127.0.0.1", relays.home_port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            pumps = [
                asyncio.ensure_future(_pump(reader, home_writer)),
                asyncio.ensure_future(_pump(home_reader, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            home_writer.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    # What a refused handshake says on this side of it is no concern of these tests.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    home_server = await picows.ws_create_server(
        accept, "127.0.0.1", 0, ssl=relays.home.server_context()
    )
    entry_server = await asyncio.start_server(
        entry, "127.0.0.1", 0, ssl=relays.entry.server_context()
    )
    relays.home_port = home_server.sockets[0].getsockname()[1]
    relays.entry_port = entry_server.sockets[0].getsockname()[1]
    try:
        yield relays
    finally:
        for transport in relays.connected:
            transport.disconnect(graceful=False)
        entry_server.close()
        home_server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
