"""The files of a demo, read once: vaults, relay files, logs, traces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import sqlcipher3.dbapi2 as sqlite

from cloister.client.effects import Message, MessageKind
from cloister.client.persistence import load_state
from cloister.client.state import Channel, State
from cloister.crypto.secret import Secret
from cloister.demo.check.finding import Wrong
from cloister.demo.check.opening import ShareFiles, open_with
from cloister.demo.folder import Cast, Folder, Said, read_json_lines
from cloister.roster.relay_card import RelayCard

MOST_ROWS: Final = 10_000_000
DATABASE: Final = Path("data") / "relay.sqlite3"
CARD: Final = "relay.card"
TLS_CERTIFICATE: Final = Path("keys") / "tls.crt"


@dataclass(frozen=True)
class PersonFiles:
    """What one device has in its vault."""

    number: int
    name: str
    state: State
    entries: tuple[bytes, ...]
    rows: dict[bytes, list[Message]]
    """channel -> texts in the order on screen."""

    def channel_titled(self, title: str) -> Channel:
        """Return a conversation.  Raises ``Wrong``."""
        for channel in self.state.channels.values():
            if channel.title == title:
                return channel
        raise Wrong(f"{self.name} is not in the conversation {title!r}")

    def texts(self, channel_id: bytes) -> list[Message]:
        """Return the texts of a channel."""
        return self.rows.get(channel_id, [])


@dataclass(frozen=True, slots=True)
class Envelope:
    """A row of the home relay's table, its bytes put together."""

    channel: bytes
    n: int
    envelope_id: bytes
    epoch: int
    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Rung:
    """An epoch of a channel as the home relay knows it."""

    epoch: int
    key: bytes
    first_n: int
    commit_n: int | None
    log_size_end: int | None


class RelayFiles:
    """The folder of one relay."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._log = log

    @cached_property
    def card(self) -> RelayCard:
        """The card that the relay hands out."""
        return RelayCard.decode((self.folder / CARD).read_bytes())

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read the relay's file."""
        path = self.folder / DATABASE
        if not path.exists():
            raise Wrong(f"{path} is missing")
        connection = sqlite.connect(str(path))
        try:
            connection.execute("PRAGMA query_only = ON")
            found: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
            return found
        except sqlite.DatabaseError as error:
            raise Wrong(f"{path} cannot be read: {error}") from None
        finally:
            connection.close()

    @cached_property
    def log_entries(self) -> list[bytes]:
        """The entries of the one circle's log, in order.  Raises ``Wrong`` on a hole."""
        rows = self.rows("SELECT seq, bytes FROM log_entry ORDER BY circle, seq")
        if [seq for seq, _ in rows] != list(range(len(rows))) or not rows:
            raise Wrong("the log in the relay's file is empty or has a hole")
        return [bytes(data) for _, data in rows]

    @cached_property
    def notes(self) -> list[tuple[str, bytes, bytes]]:
        """(origin, newest note, newest settled note) of each circle."""
        return [
            (str(origin), bytes(note), bytes(settled))
            for origin, note, settled in self.rows("SELECT origin, note, settled FROM circle")
        ]

    @cached_property
    def channels(self) -> dict[bytes, int]:
        """Channel id -> the file's own key of it."""
        return {bytes(found): int(key) for key, found in self.rows("SELECT key, id FROM channel")}

    @cached_property
    def envelopes(self) -> dict[bytes, list[Envelope]]:
        """Channel -> envelopes in order of n."""
        ids = {key: found for found, key in self.channels.items()}
        parts: dict[bytes, list[bytes]] = {}
        for _, object_hash, data in self.rows("SELECT i, hash, bytes FROM part ORDER BY hash, i"):
            parts.setdefault(bytes(object_hash), []).append(bytes(data))
        found: dict[bytes, list[Envelope]] = {channel: [] for channel in ids.values()}
        statement = (
            "SELECT channel, n, id, epoch, kind, bytes, hash FROM envelope ORDER BY channel, n"
        )
        for key, n, envelope_id, epoch, kind, data, object_hash in self.rows(statement):
            whole = bytes(data) or b"".join(parts.get(bytes(object_hash), []))
            channel = ids[key]
            envelope = Envelope(channel, int(n), bytes(envelope_id), int(epoch), int(kind), whole)
            found[channel].append(envelope)
        return found

    @cached_property
    def ladders(self) -> dict[bytes, dict[int, Rung]]:
        """Channel -> epoch -> rung."""
        ids = {key: found for found, key in self.channels.items()}
        found: dict[bytes, dict[int, Rung]] = {channel: {} for channel in ids.values()}
        for key, epoch, pk, *bounds in self.rows(
            "SELECT channel, epoch, pk, first_n, commit_n, log_size_end FROM ladder"
        ):
            found[ids[key]][epoch] = Rung(int(epoch), bytes(pk), *bounds)
        return found

    def log_events(self) -> list[dict[str, Any]]:
        """Return the relay's own log, over all its starts; what is not JSON is left out."""
        events = []
        for line in self._log.read_bytes().split(b"\n"):
            if line.startswith(b"{"):
                # A line cut by SIGKILL is no event.
                try:
                    events.append(json.loads(line))
                except ValueError:
                    continue
        return events

    def all_files(self) -> list[Path]:
        """Return every file that the relay wrote, its log included."""
        return [*(path for path in sorted(self.folder.rglob("*")) if path.is_file()), self._log]


class Evidence:
    """Everything in a demo's folder.  Attributes are read when first asked for."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)
        self.home = RelayFiles(self.folder.relay("home"), self.folder.log("home"))
        self.entry = RelayFiles(self.folder.relay("entry"), self.folder.log("entry"))

    @cached_property
    def cast(self) -> Cast:
        """Who took part."""
        return Cast.decode(self.folder.cast.read_bytes())

    @cached_property
    def said(self) -> list[Said]:
        """What everybody was to say."""
        return self.folder.read_said()

    @cached_property
    def notes(self) -> dict[str, Any]:
        """What was measured and answered in the later chapters."""
        found: dict[str, Any] = json.loads(self.folder.chapters.read_bytes())
        return found

    @property
    def lost(self) -> int:
        """The number of the person whose device is lost: nobody opens its vault any more."""
        return len(self.cast.names)

    @cached_property
    def shares(self) -> tuple[ShareFiles, ShareFiles]:
        """The unlock shares at both relays."""
        return (
            ShareFiles(self.home.folder, self.home.card),
            ShareFiles(self.entry.folder, self.entry.card),
        )

    @cached_property
    def clerk(self) -> PersonFiles:
        """The person whose seat lapsed and was renewed."""
        return self._open(self.lost + 1, self.cast.extras[1])

    @property
    def writers(self) -> list[PersonFiles]:
        """Everybody whose texts the home relay may hold."""
        return [*self.people, self.clerk]

    @cached_property
    def people(self) -> list[PersonFiles]:
        """All vaults, opened with the passphrases in the folder."""
        return [self._open(number, name) for number, name in enumerate(self.cast.names)]

    @property
    def staying(self) -> list[PersonFiles]:
        """Everybody but the third, who was removed."""
        return [person for person in self.people if person.number != 2]

    @property
    def third(self) -> PersonFiles:
        """The member that was removed."""
        return self.people[2]

    def channel_id(self, conversation: str) -> bytes:
        """Return the id of a conversation as the founder's vault has it."""
        return self.people[0].channel_titled(self.cast.titles[conversation]).channel_id

    def trace(self, number: int) -> list[dict[str, Any]]:
        """Return a device's connections and look-ups."""
        return list(read_json_lines(self.folder.trace(number)))

    def _open(self, number: int, name: str) -> PersonFiles:
        passphrase = Secret(self.folder.passphrase(number).read_bytes())
        vault = open_with(self.folder.profile(number), passphrase, self.shares)
        if vault is None:
            raise Wrong(f"the vault of {name} does not open with PIN and both relays")
        try:
            state = load_state(vault.records())
            rows = {
                channel_id: [
                    row
                    for row in vault.timeline.history(channel_id, limit=MOST_ROWS)
                    if row.kind is MessageKind.TEXT
                ]
                for channel_id in state.channels
            }
            return PersonFiles(number, name, state, vault.entries(), rows)
        finally:
            vault.close()
