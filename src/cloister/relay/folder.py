"""A relay's folder: keys, card, peers, activation codes, data.  0700 and 0600, one process at once.

relay.toml            settings
relay.card            the public card, to hand out
keys/relay.key        two seeds of 32 bytes: Ed25519, ML-DSA-44 (secret)
keys/tls.key tls.crt  private key (secret) and certificate of the listeners
peers/*.card          cards of the relays that this one works with
codes/HASH            one empty file for each activation code handed out, named by its SHA-256
books/accounts.json   what the operator's books publish: accounts, seats, ends of terms
data/relay.sqlite3    everything that devices stored
data/shares.sqlite3   unlock shares, wrapped under the epoch key
keys/shares.key       the epoch key (secret): replaced at each erasure, so not for backups
clock                 when the operator said that the machine's clock is right
restored.json         that the folder was made from a backup, and whether mirrors are still asked
begun                 empty: the relay has run, so its databases must be there
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from cloister.crypto.certificate import make_certificate, pem_of
from cloister.crypto.entropy import Entropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.errors import CloisterError, LocalError, NotFoundError, UsageError
from cloister.relay.settings import (
    ListenSection,
    RelaySection,
    Role,
    Settings,
    load_settings,
    write_settings,
)
from cloister.relay.tls import server_context
from cloister.roster.relay_card import (
    RelayCard,
    RelayRole,
    check_relay_card,
    make_relay_card,
    relay_id_of,
)

SEED_BYTES: Final = 32
CODE_BYTES: Final = 15
"""Random bytes of an activation code: 24 letters and digits."""
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PORTS: Final = range(20_000, 32_000)
"""Where free ports are looked for: below those that the kernel gives to outgoing connections, so
that one found free is still free when the relay starts."""


class FolderInUse(LocalError):
    """Another process runs this relay."""


class Identity(msgspec.Struct, frozen=True):
    """What a relay is to others."""

    key: HybridKey
    card: RelayCard


class Folder:
    """Access to the files of one relay."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_path = path / "relay.toml"
        self.card_path = path / "relay.card"
        self.database_path = path / "data" / "relay.sqlite3"
        self.accounts_path = path / "books" / "accounts.json"
        self.shares_path = path / "data" / "shares.sqlite3"
        self.epoch_key_path = path / "keys" / "shares.key"
        self.restored_path = path / "restored.json"
        self._begun_path = path / "begun"
        self._key_path = path / "keys" / "relay.key"
        self.tls_key_path = path / "keys" / "tls.key"
        self.tls_certificate_path = path / "keys" / "tls.crt"
        self._peers_path = path / "peers"
        self._codes_path = path / "codes"

    # --- making ------------------------------------------------------------------------------

    def init(
        self,
        *,
        role: Role,
        host: str,
        port: int,
        jurisdiction: str,
        operator: str,
        name: str | None,
        now: int,
        entropy: Entropy,
    ) -> RelayCard:
        """Make the folder with new keys.  ``port`` 0: a free one is chosen and written down.

        Raises UsageError when there is a relay already or a value cannot stand on a card."""
        if self.settings_path.exists() or self._key_path.exists():
            raise UsageError(
                f"{self.path} already is a relay folder",
                hint="choose another folder; keys are never overwritten",
            )
        if role == "entry" and not _is_address(host):
            raise UsageError(
                f"--host of an entry relay must be an address, not {host!r}",
                hint="devices ask no name server; the card cannot be changed later",
            )
        if not (len(jurisdiction) == 2 and jurisdiction.isascii() and jurisdiction.isupper()):
            raise UsageError(
                f"--jurisdiction must be a country's two letters, not {jurisdiction!r}",
                hint="as in ISO 3166-1: HK, IS, PA",
            )
        for folder in ("", "keys", "peers", "codes", "data"):
            _make_private(self.path / folder)
        seeds = entropy.random(2 * SEED_BYTES)
        key = _key_of(seeds)
        taken: set[int] = {port}
        port = port or _free_port(taken)
        is_entry = role == "entry"
        mirror_port = _free_port(taken) if is_entry else 0
        unlock_port = _free_port(taken) if is_entry else 0
        settings = Settings(
            relay=RelaySection(
                role=role,
                name=name or f"{role}-{relay_id_of(key.public).hex()[:8]}",
                jurisdiction=jurisdiction,
                operator=operator,
                host=host,
                port=port,
                mirror_port=mirror_port,
                unlock_port=unlock_port,
            ),
            listen=ListenSection(
                host=host if _is_address(host) else "0.0.0.0",
                health_port=_free_port(taken),
            ),
        )
        certificate, tls_key = make_certificate(host, now, entropy)
        try:
            card = _make_card(key, settings, certificate)
        except CloisterError as error:
            raise UsageError(str(error)) from None
        _write_private(self._key_path, seeds)
        _write_private(self.tls_key_path, tls_key)
        _write_private(self.tls_certificate_path, pem_of(certificate))
        _write_private(self.card_path, card.encode())
        _write_private(self.settings_path, write_settings(settings).encode())
        return card

    def add_code(self, entropy: Entropy) -> str:
        """Make an activation code and store its hash.  Whoever has it may found one circle."""
        number = int.from_bytes(entropy.random(CODE_BYTES), "big")
        digits = "".join(_ALPHABET[number >> 5 * i & 31] for i in range(CODE_BYTES * 8 // 5))
        code = "-".join(digits[i : i + 6] for i in range(0, len(digits), 6))
        _write_private(self._codes_path / sha256(code.encode()).hex(), b"")
        return code

    def is_code(self, code_hash: bytes) -> bool:
        """Tell whether a code of this hash was made."""
        return (self._codes_path / code_hash.hex()).exists()

    def add_peer(self, path: Path) -> RelayCard:
        """Add a card to the peers.  Raises NotFoundError, UsageError, RelayRefused."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NotFoundError(f"{path} cannot be read: {error.strerror}") from None
        try:
            card = RelayCard.decode(data)
        except CloisterError:
            raise UsageError(f"{path} is no relay card") from None
        check_relay_card(card)
        if card.relay_id == self.identity().card.relay_id:
            raise UsageError(
                f"{path} is this relay's own card", hint="name the card of the other relay"
            )
        _write_private(self._peers_path / f"{card.relay_id.hex()}.card", data)
        return card

    # --- reading -----------------------------------------------------------------------------

    def settings(self, environment: Mapping[str, str]) -> Settings:
        """Read the settings.  Raises NotFoundError, UsageError."""
        return load_settings(self.settings_path, environment)

    def identity(self) -> Identity:
        """Read keys and card.  Raises LocalError."""
        try:
            seeds = self._key_path.read_bytes()
            card = RelayCard.decode(self.card_path.read_bytes())
        except (OSError, CloisterError):
            raise LocalError(
                f"keys/relay.key or relay.card in {self.path} cannot be read",
                hint="restore both from one backup; never make them anew",
            ) from None
        if len(seeds) != 2 * SEED_BYTES or _key_of(seeds).public != card.key:
            raise LocalError(
                f"keys and card in {self.path} do not belong together",
                hint="restore both from one backup",
            )
        return Identity(_key_of(seeds), card)

    def peers(self) -> dict[bytes, RelayCard]:
        """Read the peers by relay id.  Raises LocalError for a file that is no card."""
        cards: dict[bytes, RelayCard] = {}
        for path in sorted(self._peers_path.glob("*.card")):
            try:
                card = RelayCard.decode(path.read_bytes())
                check_relay_card(card)
            except (OSError, CloisterError):
                raise LocalError(
                    f"{path} is no relay card", hint="remove it, add it anew"
                ) from None
            cards[card.relay_id] = card
        return cards

    def peers_changed_at(self) -> int:
        """Return a number that changes when a peer is added or removed."""
        try:
            return self._peers_path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0  # no folder, no peers

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS context of the listeners."""
        return server_context(self.tls_certificate_path, self.tls_key_path)

    @property
    def gone(self) -> list[Path]:
        """The databases that are not there although the relay has run."""
        both = (self.database_path, self.shares_path)
        return [one for one in both if is_there(self._begun_path) and not is_there(one)]

    def note_begun(self) -> None:
        """Note that the databases were made: from now on an empty one is a loss."""
        if not self._begun_path.exists():
            _write_private(self._begun_path, b"")

    def give_clock_word(self, now: int) -> None:
        """Note that the operator says the clock is right, and what it shows (s)."""
        _write_private(self.path / "clock", f"{now}\n".encode())

    def clock_word(self) -> int | None:
        """Return what the clock showed when the operator last said that it is right."""
        try:
            return int((self.path / "clock").read_text("ascii"))
        except (OSError, ValueError):
            return None

    def lock(self) -> int:
        """Take the folder for this process; returns the descriptor to hold.

        Raises FolderInUse, LocalError for a folder that cannot be written to."""
        path = self.path / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalError(
                f"{path} cannot be written: {error.strerror}",
                hint="look at the disk and at who owns the folder",
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise FolderInUse(
                f"another process runs the relay in {self.path}", hint="stop it first"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def running(self) -> int | None:
        """Return the number of the process that runs this relay; None when none does."""
        if not self.is_in_use():
            return None
        try:
            return int((self.path / "lock").read_text("ascii"))
        except (OSError, ValueError):
            return None  # it starts in this moment, or is another version's

    def is_in_use(self) -> bool:
        """Tell whether a process runs this relay, without taking the folder for more than that."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False  # never started, or not ours to read
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def _make_card(key: HybridKey, settings: Settings, certificate: bytes) -> RelayCard:
    relay = settings.relay
    is_entry = relay.role == "entry"
    return make_relay_card(
        key,
        tls_certificate=certificate,
        jurisdiction=relay.jurisdiction,
        operator=relay.operator,
        host=relay.host,
        port=relay.port,
        roles=RelayRole.ENTRY if is_entry else RelayRole.HOME,
        name=relay.name,
        mirror_host=relay.host if is_entry else "",
        mirror_port=relay.mirror_port,
        unlock_host=relay.host if is_entry else "",
        unlock_port=relay.unlock_port,
    )


def _key_of(seeds: bytes) -> HybridKey:
    return HybridKey(Secret(seeds[:SEED_BYTES]), Secret(seeds[SEED_BYTES:]))


def _make_private(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise LocalError(f"{path} cannot be made: {error.strerror}") from None


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that is either there as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror}") from None


def is_there(path: Path) -> bool:
    """Also what may not be looked at: opening it says why, as a missing one does not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _free_port(taken: set[int]) -> int:
    chooser = random.SystemRandom()
    for _ in range(1000):
        port = chooser.choice(_PORTS)
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        taken.add(port)
        return port
    raise LocalError("no free port was found", hint="name one with --port")
