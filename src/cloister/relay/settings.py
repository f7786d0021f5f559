"""Settings of a relay: one TOML file in its folder, and the environment above it.

    [relay]       what the card says: changing it means a new card
    [listen]      where the sockets are bound
    [limits]      connections
    [retention]   how long envelopes are kept
    [storage]     group commit

``CLOISTER__LISTEN__HOST=0.0.0.0`` overrides ``host`` in ``[listen]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from cloister.errors import NotFoundError, UsageError
from cloister.limits import CONNECT_TIMEOUT_S, MAX_CONNECTIONS_PER_ADDRESS

ENV_PREFIX: Final = "CLOISTER__"
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Role = Literal["home", "entry"]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections: an unknown key is a typing error, and says so."""


class RelaySection(_Section, frozen=True):
    """What the relay's card says."""

    role: Role
    name: str
    jurisdiction: str
    operator: str
    host: str
    port: Port
    mirror_port: Port = 0
    unlock_port: Port = 0


class ListenSection(_Section, frozen=True):
    """Where sockets are bound.  The health listener is always on loopback."""

    host: str
    health_port: Port


class LimitsSection(_Section, frozen=True):
    """Connections; ``handshake_s`` is how long all handshakes of one may take; ``processes`` how
    many processes beside the main one hold them: 0, the main one does; "auto", as many as
    connections and open files ask for."""

    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 24_000
    max_connections_per_address: Annotated[int, msgspec.Meta(ge=1)] = MAX_CONNECTIONS_PER_ADDRESS
    handshake_s: Annotated[float, msgspec.Meta(ge=0.1, le=CONNECT_TIMEOUT_S)] = CONNECT_TIMEOUT_S
    processes: Annotated[int, msgspec.Meta(ge=0, le=32)] | Literal["auto"] = 0


class RetentionSection(_Section, frozen=True):
    """How long envelopes are kept, in days; at most 30, as long as senders may retry."""

    days: Annotated[int, msgspec.Meta(ge=1, le=30)] = 30


class StorageSection(_Section, frozen=True):
    """Group commit: how long writes are collected at a high rate, in milliseconds.  And the room on
    the disk below which texts are refused; 0 is a twentieth of it, at most 4 GiB."""

    window_ms: Annotated[float, msgspec.Meta(ge=0, le=100)] = 14.0
    reserve_mib: Annotated[int, msgspec.Meta(ge=0)] = 0


class Settings(_Section, frozen=True):
    """All settings of one relay."""

    relay: RelaySection
    listen: ListenSection
    limits: LimitsSection = LimitsSection()
    retention: RetentionSection = RetentionSection()
    storage: StorageSection = StorageSection()


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the file, then the environment.  Raises NotFoundError, UsageError."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotFoundError(
            f"{path.parent} is no relay folder: it has no {path.name}",
            hint="make one with: cloister relay init DIR --role home|entry ...",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    for name, value in environment.items():
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if name.startswith(ENV_PREFIX) and section in Settings.__struct_fields__:
            values.setdefault(section, {})[key] = value
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"a setting of the relay is wrong: {error}", hint=f"correct {path} or the environment"
        ) from None


def write_settings(settings: Settings) -> str:
    """Return the settings as TOML."""
    lines: list[str] = []
    for section, values in msgspec.to_builtins(settings).items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            lines.append(f"{key} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, str):
        # A JSON string is a TOML basic string.
        return msgspec.json.encode(value).decode("utf-8")
    return repr(value)
