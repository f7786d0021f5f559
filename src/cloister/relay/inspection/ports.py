"""Ports: bound by this relay already, or free to be bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from cloister.errors import NetworkError
from cloister.finding import Finding, Grade
from cloister.relay.folder import Folder
from cloister.relay.health import LOOPBACK, ask_status
from cloister.relay.settings import Settings


def look_at_ports(folder: Folder, settings: Settings) -> Iterator[Finding]:
    """A relay that runs must answer; for one that does not, each port must be free."""
    if folder.is_in_use():
        yield _running(settings)
        return
    relay, listen = settings.relay, settings.listen
    places = [(listen.host, relay.port, "relay.port")]
    if relay.role == "entry":
        places += [
            (listen.host, relay.mirror_port, "relay.mirror_port"),
            (LOOPBACK, relay.unlock_port, "relay.unlock_port"),
        ]
    places.append((LOOPBACK, listen.health_port, "listen.health_port"))
    seen: dict[int, str] = {}
    is_good = True
    for host, port, setting in places:
        twice = seen.setdefault(port, setting)
        reason = f"the same as {twice}" if twice != setting else _reason_against(host, port)
        if reason:
            is_good = False
            yield Finding(
                "ports",
                Grade.WRONG,
                f"{host} port {port} ({setting}) cannot be bound: {reason}",
                "stop what uses it (ss -ltnp shows it); if the address is not this machine's,"
                " set listen.host to one that is",
                NetworkError.exit_code,
            )
    if is_good:
        ports = ", ".join(map(str, seen))
        yield Finding("ports", Grade.GOOD, f"the relay does not run; free: {ports}")


def _running(settings: Settings) -> Finding:
    try:
        status = ask_status(settings.listen.health_port)
    except NetworkError:
        status = {}
    if status.get("role") == settings.relay.role and status.get("ready"):
        return Finding("ports", Grade.GOOD, "the relay runs, and listens")
    return Finding(
        "ports",
        Grade.WRONG,
        "a process has this folder, but does not answer on the health port as this relay",
        "it may be starting or stopping: look again in a minute; else read its log",
        NetworkError.exit_code,
    )


def _reason_against(host: str, port: int) -> str:
    """Say why a port cannot be bound; empty when it can be, or was just let go."""
    try:
        ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            # As the relay binds it: what lingers of closed connections is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error.strerror or "it is no address"
    return ""
