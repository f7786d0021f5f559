"""Calls and answers on the agent's socket: one JSON object a line.

    -> {"v":1,"id":1,"op":"send","args":{"conversation":"desk","text":"hold","wait_s":10}}
    <- {"id":1,"result":{...}}            one answer, or
    <- {"id":1,"item":{...}} ... {"id":1,"end":true}     a stream, or
    <- {"id":1,"error":{"exit_code":3,"message":"...","hint":"..."}}

One call at a time on a connection.  Bytes are base64 (messages) as msgspec writes them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cloister import errors
from cloister.client import inputs
from cloister.client.contact_acts import CONTACT_ACTS
from cloister.client.effects import Alarm, Changed, Message, Revised, Shown
from cloister.client.powers import POWERS
from cloister.device.facade import FollowedNotice
from cloister.errors import CloisterError, LocalError, RemoteError

VERSION: Final = 1
MOST_LINE_BYTES: Final = 4 * 1024 * 1024
"""One view of a circle of a thousand members fits several times."""

_ACTS: Final[tuple[type[inputs.Act], ...]] = (
    inputs.FoundCircle,
    inputs.Invite,
    inputs.Join,
    inputs.Vouch,
    inputs.Remove,
    inputs.Leave,
    inputs.ShowInvitation,
    inputs.OpenConversation,
    inputs.ChangeConversation,
    inputs.LeaveConversation,
    inputs.SendText,
    inputs.Annotate,
    inputs.SetReceipts,
    inputs.MarkRead,
    inputs.SetCover,
    *CONTACT_ACTS,
    *POWERS,
)
ACTS: Final[dict[str, type[inputs.Act]]] = {act.__name__: act for act in _ACTS}

_NOTICES: Final[dict[str, type[FollowedNotice]]] = {
    "shown": Shown,
    "revised": Revised,
    "changed": Changed,
    "alarm": Alarm,
}

_ERRORS: Final[dict[int, type[CloisterError]]] = {
    1: LocalError,
    **{
        kind.exit_code: kind
        for kind in (
            errors.UsageError,
            errors.NotFoundError,
            errors.NetworkError,
            errors.PolicyError,
            errors.TrustError,
            errors.LockedError,
        )
    },
}


class Call(msgspec.Struct):
    """What a client asks."""

    v: int
    id: int
    op: str
    args: dict[str, Any] = {}


class ErrorBody(msgspec.Struct):
    """An error in words; its class follows from the exit code."""

    exit_code: int
    message: str
    hint: str | None = None


class Reply(msgspec.Struct, omit_defaults=True):
    """One line of an answer."""

    id: int
    result: msgspec.Raw = msgspec.Raw()
    item: msgspec.Raw = msgspec.Raw()
    end: bool = False
    error: ErrorBody | None = None


_encode: Final = msgspec.json.Encoder().encode
_calls: Final = msgspec.json.Decoder(Call)
_replies: Final = msgspec.json.Decoder(Reply)


class AgentProtocolError(RemoteError):
    """The other end of the socket does not speak this protocol."""


def encode_line(message: Call | Reply) -> bytes:
    """Encode one line with its newline."""
    return _encode(message) + b"\n"


def decode_call(line: bytes) -> Call:
    """Decode a client's line.  Raises ``AgentProtocolError``."""
    try:
        return _calls.decode(line)
    except msgspec.MsgspecError:
        raise AgentProtocolError("not a call of this protocol") from None


def decode_reply(line: bytes) -> Reply:
    """Decode an agent's line.  Raises ``AgentProtocolError``."""
    try:
        return _replies.decode(line)
    except msgspec.MsgspecError:
        raise AgentProtocolError("the agent of this profile answers in another form") from None


def raw(value: object) -> msgspec.Raw:
    """Encode a part of a reply."""
    return msgspec.Raw(_encode(value))


def value_of(part: msgspec.Raw) -> Any:
    """Decode a part of a reply as plain JSON values."""
    return msgspec.json.decode(part)


def message_of(part: msgspec.Raw) -> Message:
    """Decode a part of a reply as a row of a timeline."""
    return msgspec.json.decode(part, type=Message)


def act_arguments(act: inputs.Act) -> dict[str, Any]:
    """Write an act as arguments of a call."""
    return {"act": type(act).__name__, "fields": msgspec.to_builtins(act)}


def act_of(arguments: dict[str, Any]) -> inputs.Act:
    """Read an act.  Raises ``AgentProtocolError``."""
    kind = ACTS.get(str(arguments.get("act")))
    if kind is None:
        raise AgentProtocolError("no such act")
    try:
        return msgspec.convert(arguments.get("fields"), kind)
    except msgspec.MsgspecError:
        raise AgentProtocolError("the act's fields are wrong") from None


def notice_item(notice: FollowedNotice) -> msgspec.Raw:
    """Write a notice as an item of a stream."""
    kind = next(name for name, known in _NOTICES.items() if isinstance(notice, known))
    return raw({"kind": kind, "notice": notice})


def notice_of(item: msgspec.Raw) -> FollowedNotice:
    """Read a notice.  Raises ``AgentProtocolError``."""
    try:
        body = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
        kind = msgspec.json.decode(body["kind"], type=str)
        return msgspec.json.decode(body["notice"], type=_NOTICES[kind])
    except (msgspec.MsgspecError, KeyError):
        raise AgentProtocolError("the agent told something in an unknown form") from None


def error_body(error: CloisterError) -> ErrorBody:
    """Write an error."""
    return ErrorBody(exit_code=error.exit_code, message=str(error), hint=error.hint)


def error_of(body: ErrorBody) -> CloisterError:
    """Make the error that the other process raised, as its family."""
    return _ERRORS.get(body.exit_code, LocalError)(body.message, hint=body.hint)
