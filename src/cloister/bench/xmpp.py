"""As much of XMPP as a load needs: streams, SASL PLAIN, one resource, acknowledgements (XEP-0198).

A stanza is one element below ``<stream:stream>`` (RFC 6120, 4).  Nothing of rosters or presence.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat  # nosec B405
from xml.sax.saxutils import escape, quoteattr  # nosec B406

from cloister.errors import RemoteError

HOST: Final = "localhost"
RESOURCE: Final = "load"
ASK_ACK: Final = b"<r xmlns='urn:xmpp:sm:3'/>"
PRESENT: Final = b"<presence/>"
ENABLE_ACKS: Final = b"<enable xmlns='urn:xmpp:sm:3'/>"


class XmppError(RemoteError):
    """The server sent what the load did not ask for."""


@dataclass
class Stanza:
    """One element of a stream, as far as it is looked at."""

    name: str
    attributes: dict[str, str]
    children: list[str] = field(default_factory=list)
    """Names of all elements inside, in the order in which they begin."""
    text: str = ""
    """What stands inside, however deep."""


def open_stream() -> bytes:
    """Begin a stream, after the connection and again after the authentication."""
    return (
        f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>"
    ).encode()


def register(user: str, password: str) -> bytes:
    """Make an account (XEP-0077), before authentication."""
    return (
        "<iq type='set' id='register'><query xmlns='jabber:iq:register'>"
        f"<username>{escape(user)}</username><password>{escape(password)}</password></query></iq>"
    ).encode()


def authenticate(user: str, password: str) -> bytes:
    """Authenticate by SASL PLAIN (RFC 4616)."""
    secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    return (
        f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
    ).encode()


def bind() -> bytes:
    """Bind a resource (RFC 6120, 7)."""
    return (
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<resource>{RESOURCE}</resource></bind></iq>"
    ).encode()


def message(user: str, number: int, body: str) -> bytes:
    """A chat message to the one resource of a user."""
    to = quoteattr(f"{user}@{HOST}/{RESOURCE}")
    return (
        f"<message to={to} id='{number}' type='chat'><body>{escape(body)}</body></message>".encode()
    )


def ack(handled: int) -> bytes:
    """Say how many stanzas have been handled (XEP-0198, 4)."""
    return f"<a xmlns='urn:xmpp:sm:3' h='{handled}'/>".encode()


class Stanzas:
    """Takes what has come apart into stanzas, however it was cut."""

    def __init__(self) -> None:
        self._depth = 0
        self._done: list[Stanza] = []
        self._stanza = Stanza("", {})
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._on_start
        self._parser.EndElementHandler = self._on_end
        self._parser.CharacterDataHandler = self._on_text

    def feed(self, data: bytes) -> list[Stanza]:
        """Return the stanzas that are complete.  Raises XmppError for what is no XML, and for an
        end of the stream."""
        try:
            self._parser.Parse(data, False)
        except expat.ExpatError as error:
            raise XmppError(f"the server sent what is no XML: {error}") from None
        done, self._done = self._done, []
        return done

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._stanza = Stanza(name, attributes)
        elif self._depth > 2:
            self._stanza.children.append(name)

    def _on_end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self._done.append(self._stanza)
        elif self._depth == 0:
            raise XmppError("the server ended the stream")

    def _on_text(self, text: str) -> None:
        if self._depth > 1:
            self._stanza.text += text
