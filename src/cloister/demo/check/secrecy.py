"""Checks of what relays and name servers could learn."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cloister.demo.check.evidence import Evidence, RelayFiles
from cloister.demo.check.finding import Check, Wrong, demand
from cloister.roster.entry import EntryKind, SealedType, open_sealed
from cloister.roster.form import read_entry

LEAST_NAME_BYTES = 6
"""A shorter name would be found in random bytes now and then."""
LEAST_TEXT_BYTES = 12
SAMPLE_BYTES = 24
MOST_TEXTS = 60


class SecrecyChecks:
    """Searches relay files and traces."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def checks(self) -> list[Check]:
        """Return the checks in order."""
        return [
            Check("relays: no canary, name, text or vouch in any file", self.no_canaries),
            Check("entry: no channel id, no epoch key", self.entry_knows_no_channel),
            Check("network: connections to the entry relay only", self.connections),
            Check("network: no name was looked up", self.no_dns),
        ]

    def no_canaries(self) -> str:
        """Search every file of both relays for what people wrote, in four encodings."""
        cast = self._evidence.cast
        words = {
            word for word in (*cast.names, *cast.script_names) if _long(word, LEAST_NAME_BYTES)
        }
        texts = sorted(
            {one.text for one in self._evidence.said if _long(one.text, LEAST_TEXT_BYTES)}
        )
        step = max(len(texts) // MOST_TEXTS, 1)
        needles = [canary.encode() for canary in cast.canaries]
        needles += [word.encode() for word in words]
        needles += [text.encode()[:SAMPLE_BYTES] for text in texts[::step]]
        needles += self._of_the_log()
        files = self._search(self._relays(), needles, "what people wrote")
        return f"{len(needles)} canaries, {files} files"

    def _of_the_log(self) -> list[bytes]:
        """Return the log keys, and each vouch as its author signed it."""
        keys = self._evidence.people[0].state.log_keys
        found = [key.expose() for key in keys.values()]
        for seq, data in enumerate(self._evidence.home.log_entries):
            entry = read_entry(data, seq)
            if entry.header.kind is EntryKind.SEALED:
                sealed = open_sealed(entry, keys[entry.header.lk_gen])
                if sealed.type == SealedType.VOUCH:
                    found.append(sealed.content)
        demand(len(found) > len(keys), "the log holds no vouch")
        return found

    def entry_knows_no_channel(self) -> str:
        """Channel ids and epoch keys are in the home's file and nowhere at the entry relay."""
        home = self._evidence.home
        needles = list(home.channels)
        needles += [rung.key for ladder in home.ladders.values() for rung in ladder.values()]
        needles += [bytes(found) for (found,) in home.rows("SELECT id FROM inbox")]
        demand(len(needles) >= 6, "the home relay's file holds no channels")
        files = self._search([self._evidence.entry], needles, "a channel id or key")
        return f"{len(needles)} ids and keys, {files} files"

    def _relays(self) -> list[RelayFiles]:
        return [self._evidence.home, self._evidence.entry]

    def _search(self, relays: Iterable[RelayFiles], needles: list[bytes], what: str) -> int:
        files = 0
        forms = frozenset(form for needle in needles for form in encodings(needle))
        for relay in relays:
            for path in relay.all_files():
                if holds_any(path.read_bytes(), forms):
                    raise Wrong(f"{what} is in {path.relative_to(self._evidence.folder.root)}")
                files += 1
        demand(files > 0, "the relays have no files")
        return files

    # --- the network ----------------------------------------------------------------------------

    def connections(self) -> str:
        """Each device connected, and to the entry relay's address and port only."""
        card = self._evidence.entry.card
        wanted = [card.host, card.port]
        total = 0
        for person in self._evidence.people:
            reached = 0
            for event in self._evidence.trace(person.number):
                if event["event"] in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
                    if event["family"] == "AF_UNIX":
                        continue  # the person's own commands and agent
                    address = list(event["address"][0])[:2] if event["address"] else []
                    demand(
                        event["event"] == "socket.connect" and address == wanted,
                        f"{person.name} reached {address}",
                    )
                    reached += 1
            demand(reached > 0, f"the trace of {person.name} shows no connection")
            total += reached
        return f"{total} connections to {card.host}:{card.port}"

    def no_dns(self) -> str:
        """No device asked for an address or a name."""
        for person in self._evidence.people:
            for event in self._evidence.trace(person.number):
                demand(
                    event["event"].startswith(("socket.connect", "socket.send")),
                    f"{person.name}: {event['event']} {event['address']}",
                )
        return "none"


def holds_any(content: bytes, forms: frozenset[bytes]) -> bool:
    """Tell whether any of the forms stands in the content."""
    return any(form in content for form in forms)


def encodings(needle: bytes) -> set[bytes]:
    """Return a needle as it stands, in hex, base64 (each alignment) and both kinds of UTF-16."""
    found = {needle, needle.hex().encode(), needle.hex().upper().encode()}
    for shift in range(3):
        padded = base64.b64encode(bytes(shift) + needle)
        # What mixes with neighbouring bytes is cut off on both sides.
        first = (0, 2, 3)[shift]
        length = (len(needle) + shift) * 4 // 3
        core = padded[first:length].rstrip(b"=")
        found |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    try:
        text = needle.decode("utf-8", "strict")
    except UnicodeDecodeError:
        text = ""
    if text:
        found |= {text.encode("utf-16-le"), text.encode("utf-16-be")}
    return {form for form in found if len(form) >= LEAST_NAME_BYTES}


def _long(text: str, least: int) -> bool:
    return len(text.strip().encode()) >= least
