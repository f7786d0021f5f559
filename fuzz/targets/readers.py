"""What is not in the presentation language: frames, notes, the content of messages, codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import inspect

from cloister.client.content import (
    Content,
    ContentKind,
    Heads,
    Receipt,
    decode_content,
    notice_of,
    receipt_of,
    text_of,
)
from cloister.crypto.secret import Secret
from cloister.errors import CloisterError, RemoteError
from cloister.ids import CircleId
from cloister.roster.form import read_entry
from cloister.roster.genesis import read_genesis
from cloister.roster.invitation import (
    InvitationCode,
    InvitationSeed,
    parse_invitation,
    parse_typed_seed,
    typed_seed,
)
from cloister.roster.readable import read_body
from cloister.transparency.checkpoint import Checkpoint
from cloister.transparency.note import SignatureLine, UnverifiedNote, parse_lines
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent
from cloister.wire.frame import decode_events, decode_mirror, decode_requests, encode_frame
from cloister.wire.mirror import AnyMirrorMessage
from fuzz.targets.target import Finding, Target, decoded

NOW = 1_800_000_000


# -- frames -----------------------------------------------------------------------------------


def _frame(decode: Callable[[bytes], Sequence[msgspec.Struct]], data: bytes) -> None:
    """Frames have many encodings, so the values are compared."""
    messages = decoded(decode, data)
    if messages is not None and decode(encode_frame(messages)) != messages:
        raise Finding("a frame is another after it has been encoded and decoded")


DIRECTIONS: tuple[tuple[Callable[[bytes], Sequence[msgspec.Struct]], object], ...] = (
    (decode_requests, AnyRequest),
    (decode_events, AnyEvent),
    (decode_mirror, AnyMirrorMessage),
)


def frames(data: bytes) -> None:
    """One byte says whose frame it is."""
    decode, _ = DIRECTIONS[data[0] % len(DIRECTIONS) if data else 0]
    _frame(decode, data[1:])


def frame_seeds() -> Iterator[bytes]:
    """A frame of each message, with the smallest values that its types allow."""
    for number, (_, union) in enumerate(DIRECTIONS):
        info = inspect.type_info(union)
        kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
        for kind in kinds:
            example = _example(kind)
            if isinstance(example, msgspec.Struct):
                yield bytes([number]) + encode_frame([example])


def _example(kind: inspect.Type) -> object:
    match kind:
        case inspect.StructType():
            fields = {one.name: _example(one.type) for one in kind.fields if one.required}
            return kind.cls(**fields)
        case inspect.IntType():
            return kind.ge or 0
        case inspect.BytesType():
            return bytes(kind.min_length or 1)
        case inspect.StrType():
            return "a" * (kind.min_length or 1)
        case inspect.BoolType():
            return False
        case inspect.ListType() | inspect.VarTupleType():
            item = _example(kind.item_type)
            values = [item] * (kind.min_length or 1)
            return values if isinstance(kind, inspect.ListType) else tuple(values)
        case inspect.TupleType():
            return tuple(_example(one) for one in kind.item_types)
        case inspect.UnionType():
            return _example(kind.types[0])
        case _:
            return None


# -- what the other files read --------------------------------------------------------------------


def _note(data: bytes) -> None:
    note = decoded(UnverifiedNote.parse, data)
    if note is not None and note.encode() != data:
        raise Finding("a note encodes to other bytes than it was parsed from")


def _checkpoint(data: bytes) -> None:
    checkpoint = decoded(Checkpoint.parse, data)
    if checkpoint is not None and checkpoint.encode() != data:
        raise Finding("a checkpoint encodes to other bytes than it was parsed from")


def _lines(data: bytes) -> None:
    lines = decoded(parse_lines, data)
    if lines is not None and b"".join(line.encode() for line in lines) != data:
        raise Finding("signature lines encode to other bytes than they were parsed from")


def _content(data: bytes) -> None:
    try:
        content = decode_content(data)
        notice_of(content)
        if content.kind == ContentKind.RECEIPT:
            receipt_of(content, content.counter)
        else:
            text_of(content.kind, content.body)
    except RemoteError:
        return


def _entry(data: bytes) -> None:
    try:
        read_body(read_entry(data, 1))
    except RemoteError:
        return


def _genesis(data: bytes) -> None:
    decoded(read_genesis, data)


def _code(data: bytes) -> None:
    """A person types these, so that a local error is the right one."""
    try:
        parse_invitation(data.decode("utf-8", "replace"), now=NOW)
    except CloisterError:
        return


def _typed(data: bytes) -> None:
    try:
        parse_typed_seed(data.decode("utf-8", "replace"))
    except CloisterError:
        return


READERS = (_note, _checkpoint, _lines, _content, _entry, _genesis, _code, _typed)


def readers(data: bytes) -> None:
    """One byte says which reader."""
    READERS[data[0] % len(READERS) if data else 0](data[1:])


def reader_seeds() -> Iterator[bytes]:
    """Something for each but the genesis, which is long and signed all over."""
    checkpoint = Checkpoint(origin="example.org/log", size=7, root=bytes(32)).encode()
    line = SignatureLine(name="example.org/relay", key_id=bytes(4), signature=bytes(64))
    yield b"\x00" + UnverifiedNote(text=checkpoint, signatures=(line,)).encode()
    yield b"\x01" + checkpoint
    yield b"\x02" + line.encode()
    heads = Heads(log_size=1, log_root=bytes(32), next_n=1, chain=bytes(32))
    receipt = Receipt(from_n=0, until_n=1, read_n=1, missing=(0,))
    for kind, body in (
        (ContentKind.TEXT, b"text \xe2\x80\xae"),
        (ContentKind.NOTICE, b"\x01"),
        (ContentKind.RECEIPT, receipt.encode()),
    ):
        content = Content(
            version=1,
            message_id=bytes(16),
            counter=1,
            at=NOW,
            heads=heads,
            kind=kind,
            body=body,
        )
        yield b"\x03" + content.encode()
    seed = InvitationSeed(Secret(bytes(range(16))))
    code = InvitationCode(
        circle_id=CircleId(bytes(32)),
        size=1,
        root=bytes(32),
        seed=seed,
        expires=NOW + 1,
        entry_host="entry.example",
        entry_port=443,
        home_host="home.example",
        home_port=443,
    )
    yield b"\x06" + code.to_text().encode()
    yield b"\x07" + typed_seed(seed).encode()


OTHERS = (
    Target("frames", frames, frame_seeds),
    Target("readers", readers, reader_seeds),
)
