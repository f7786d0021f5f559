"""Figures in Prometheus' text form, for a collector that reads files (node-exporter's textfile).

The relay itself listens on no further port: the command asks it on loopback, and adds what
stands in the folder. Every figure is a count or a size; the one label is the relay's own name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cloister.crypto.certificate import validity_of
from cloister.errors import LocalError
from cloister.relay.folder import Folder
from cloister.relay.settings import Settings

PREFIX: Final = "cloister_relay_"


class Figure(msgspec.Struct, frozen=True):
    """One figure as a collector sees it."""

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str


def _gauge(name: str, meaning: str) -> Figure:
    return Figure(PREFIX + name, "gauge", meaning)


def _counter(name: str, meaning: str) -> Figure:
    return Figure(f"{PREFIX}{name}_total", "counter", f"{meaning}, since the start")


UP: Final = _gauge("up", "1 if the relay answers on its health port")
VERSION: Final = _gauge("info", "always 1; the labels say which version and role")

# By the name in `relay status`.
FROM_STATUS: Final = {
    "ready": _gauge("ready", "1 while it listens"),
    "uptime_s": _gauge("uptime_seconds", "time since the start"),
    "circles": _gauge("circles", "circles whose log is here"),
    "channels": _gauge("channels", "channels stored"),
    "envelopes": _gauge("envelopes", "envelopes stored"),
    "entries_stored": _gauge("entries_stored", "log entries stored"),
    "file_bytes": _gauge("file_bytes", "size of the database"),
    "expiry_frozen": _gauge("expiry_frozen", "1 while nothing is deleted: the clock is in doubt"),
    "is_short": _gauge("is_short", "1 while texts are refused, as the disk is nearly full"),
    "shares": _gauge("shares", "unlock shares stored"),
    "shares_erased": _gauge("shares_erased", "unlock shares that were erased"),
    "connections": _gauge("connections", "connections open"),
    "connections_total": _counter("connections", "connections taken"),
    "requests": _counter("requests", "requests taken"),
    "refusals": _counter("refusals", "requests refused"),
    "messages_accepted": _counter("messages_accepted", "messages stored"),
    "messages_delivered": _counter("messages_delivered", "items pushed to devices"),
    "commits": _counter("commits", "commits of groups stored"),
    "entries": _counter("entries", "log entries taken"),
    "frames_in": _counter("frames_in", "frames taken"),
    "frames_out": _counter("frames_out", "frames sent"),
    "frames_refused": _counter("frames_refused", "frames that were none"),
    "sessions_cut": _counter("sessions_cut", "connections cut because nothing was taken"),
    "batches": _counter("batches", "transactions"),
    "tunnels": _gauge("tunnels", "entry: connections passed on now"),
    "tunnels_total": _counter("tunnels", "entry: connections passed on"),
    "tunnels_refused": _counter("tunnels_refused", "entry: connections refused"),
    "cosignatures": _counter("cosignatures", "cosignatures given, or taken from mirrors"),
    "processes": _gauge("processes", "processes running beside the main one"),
    "processes_lost": _counter("processes_lost", "of these, ended without being told"),
}

# By what the command finds out beside the relay; there when the relay is not.
FROM_FOLDER: Final = {
    "max_connections": _gauge("max_connections", "limits.max_connections of the settings"),
    "certificate_expires": _gauge("certificate_expires_seconds", "when the certificate ends"),
    "disk_free": _gauge("disk_free_bytes", "room left on the disk of the folder"),
    "disk_size": _gauge("disk_size_bytes", "size of the disk of the folder"),
}

ALL: Final = (UP, VERSION, *FROM_STATUS.values(), *FROM_FOLDER.values())


def figures_of_folder(path: Path, settings: Settings) -> dict[str, int]:
    """Find out what can be seen without the relay. Raises LocalError."""
    card = Folder(path).identity().card
    try:
        _, ends = validity_of(card.tls_certificate)
        disk = os.statvfs(path)
    except (OSError, ValueError) as error:
        raise LocalError(
            f"the disk or the certificate of {path} cannot be read: {error}",
            hint=f"cloister relay check {path} says more",
        ) from None
    return {
        "max_connections": settings.limits.max_connections,
        "certificate_expires": ends,
        "disk_free": disk.f_bavail * disk.f_frsize,
        "disk_size": disk.f_blocks * disk.f_frsize,
    }


def exposition(name: str, status: Mapping[str, Any] | None, folder: Mapping[str, int]) -> str:
    """Write the figures of a relay. ``status`` None: it does not answer."""
    labels = {"relay": name}
    lines = list(_series(UP, labels, int(status is not None)))
    if status is not None:
        about = {"version": str(status["version"]), "role": str(status["role"])}
        lines += _series(VERSION, {**labels, **about}, 1)
    for source, figures in ((status or {}, FROM_STATUS), (folder, FROM_FOLDER)):
        for key, figure in figures.items():
            if key in source:
                lines += _series(figure, labels, int(source[key]))
    return "\n".join(lines) + "\n"


def _series(figure: Figure, labels: Mapping[str, str], value: int) -> Iterator[str]:
    said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    yield f"# HELP {figure.name} {figure.meaning}"
    yield f"# TYPE {figure.name} {figure.kind}"
    yield f"{figure.name}{{{said}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
