"""The systemd unit of one relay: computed from its folder and the program, nothing left to edit.

What it takes from the process (directives of systemd.exec, systemd.resource-control) is what a
relay never needs; an attacker who has made it run his code then has its folder and its sockets,
and not the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cloister.errors import UsageError
from cloister.relay.settings import Settings

_PRIVILEGED_PORTS: Final = 1024
_SPARE_FILES: Final = 1024
_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
_SHARED: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  named, not used
_SAFE_WORD: Final = re.compile(r"[A-Za-z0-9_@+:,./-]+")

_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Program(msgspec.Struct, frozen=True):
    """How this installation is started, and where all of it lies."""

    command: tuple[str, ...]
    places: tuple[Path, ...]


def unit_name(folder: Path) -> str:
    """Return the name under which a relay's unit is filed."""
    return f"cloister-{re.sub(r'[^A-Za-z0-9_.-]', '-', folder.name)}.service"


def unit_text(
    folder: Path, settings: Settings, program: Program, user: str, peers: Sequence[str] | None
) -> str:
    """Write the unit of a relay, by its folder's absolute path.

    ``peers``: the only addresses beside loopback that it may speak with; None: any. Raises
    UsageError for a path or a user that no unit can name.
    """
    if _USER.fullmatch(user) is None:
        raise UsageError(f"{user!r} is no user", hint="give a user's name or number")
    lines = [
        *_head(folder, settings),
        *_start(folder, settings, program, user),
        *_reach(settings, peers),
        *_files(folder, program),
        *_HARDENING,
        *_rights(settings),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _head(folder: Path, settings: Settings) -> Iterator[str]:
    yield f"# Made by `cloister relay unit`. File it as {unit_name(folder)}."
    yield "# Make it anew, rather than edit it, when folder, program, ports or peers change."
    yield "[Unit]"
    yield f"Description=Cloister {settings.relay.role} relay {folder.name.replace('%', '%%')}"
    # A clock that jumps after the start keeps a home relay from deleting what has aged out.
    yield "Wants=network-online.target time-sync.target"
    yield "After=network-online.target time-sync.target"
    yield "StartLimitIntervalSec=300"
    yield "StartLimitBurst=10"
    yield ""


def _start(folder: Path, settings: Settings, program: Program, user: str) -> Iterator[str]:
    command = " ".join(_quoted(word) for word in program.command)
    each = 2 if settings.relay.role == "entry" else 1
    yield "[Service]"
    yield "Type=exec"
    yield f"User={user}"
    yield f"ExecStartPre={command} relay check {_quoted(str(folder))}"
    yield f"ExecStart={command} relay run {_quoted(str(folder))}"
    yield "Restart=on-failure"
    yield "RestartSec=5"
    # SIGTERM drains it, as `relay drain` does: the disk decides how long that takes.
    yield "KillSignal=SIGTERM"
    yield "TimeoutStopSec=60"
    yield f"LimitNOFILE={each * settings.limits.max_connections + _SPARE_FILES}"
    # A core file would hold keys.
    yield "LimitCORE=0"
    yield "UMask=0077"


def _reach(settings: Settings, peers: Sequence[str] | None) -> Iterator[str]:
    yield "RestrictAddressFamilies=AF_INET AF_INET6"
    if peers is not None:
        yield "IPAddressDeny=any"
        yield f"IPAddressAllow=localhost {' '.join(peers)}".rstrip()


def _files(folder: Path, program: Program) -> Iterator[str]:
    places = (folder, *program.places)
    yield "ProtectSystem=strict"
    yield f"ReadWritePaths={_quoted(str(folder))}"
    # What lies in a home, or in the shared /tmp, must stay in sight.
    yield f"ProtectHome={'read-only' if _any_below(places, _HOMES) else 'yes'}"
    yield f"PrivateTmp={'no' if _any_below(places, _SHARED) else 'yes'}"


def _rights(settings: Settings) -> Iterator[str]:
    relay = settings.relay
    ports = [relay.port, settings.listen.health_port]
    if relay.role == "entry":
        ports += [relay.mirror_port, relay.unlock_port]
    if min(ports) < _PRIVILEGED_PORTS:
        # The one right of root that such a port takes; it is none inside a user namespace.
        yield "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"
        yield "AmbientCapabilities=CAP_NET_BIND_SERVICE"
    else:
        yield "CapabilityBoundingSet="
        yield "AmbientCapabilities="
        yield "PrivateUsers=yes"


_HARDENING: Final = (
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "DevicePolicy=closed",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "KeyringMode=private",
    "RemoveIPC=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)


def _any_below(places: Sequence[Path], above: Sequence[Path]) -> bool:
    return any(place.is_relative_to(one) for place in places for one in above)


def _quoted(word: str) -> str:
    """Write a word so that systemd reads it as it is: no specifier, variable or escape in it."""
    if not word.isprintable():
        raise UsageError(
            f"{word!r} cannot stand in a unit", hint="give the folder a name of printable letters"
        )
    if _SAFE_WORD.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$")}"'
