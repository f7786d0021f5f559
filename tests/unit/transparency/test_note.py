"""Signed notes and checkpoints as text (T1 to T8)."""

from __future__ import annotations

import base64

import pytest

from cloister.crypto.signature import verify_raw
from cloister.transparency import (
    EMPTY_ROOT,
    Checkpoint,
    CheckpointError,
    MisusedLog,
    NoteError,
    SignatureLine,
    UnverifiedNote,
)
from cloister.transparency.note import MAX_NOTE_BYTES, MAX_SIGNATURES, SignatureType, key_id

# From C2SP signed-note and tlog-cosignature, and from the documentation of Go's note package.
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = """\
This is an example message.

\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()  # noqa: E501
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()  # noqa: E501
C2SP_COSIGNED = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()  # noqa: E501
C2SP_EMPTY_LINES = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed \u00e8 subito sera.

\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()  # noqa: E501

LINE = "\u2014 relay.example " + base64.b64encode(bytes(68)).decode() + "\n"
ROOT = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(("vkey", "note"), [(C2SP_VKEY, C2SP_NOTE), (GO_VKEY, GO_NOTE)])
def test_published_notes_verify_under_their_keys(vkey: str, note: bytes) -> None:
    name, hexadecimal, encoded = vkey.split("+", 2)
    material = base64.b64decode(encoded)
    assert material[0] == SignatureType.ED25519
    wanted = key_id(name, SignatureType.ED25519, material[1:])
    assert wanted.hex() == hexadecimal
    parsed = UnverifiedNote.parse(note)
    signature = parsed.find(name, wanted)
    assert signature is not None
    verify_raw(material[1:], parsed.text, signature)


@pytest.mark.parametrize("note", [C2SP_NOTE, GO_NOTE, C2SP_COSIGNED, C2SP_EMPTY_LINES])
def test_published_notes_encode_to_the_same_bytes(note: bytes) -> None:
    assert UnverifiedNote.parse(note).encode() == note


def test_the_last_empty_line_separates_T2() -> None:
    assert UnverifiedNote.parse(C2SP_EMPTY_LINES).text.count(b"\n\n") == 1


def test_the_published_checkpoint_is_read() -> None:
    note = UnverifiedNote.parse(C2SP_COSIGNED)
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.encode() == note.text
    witness = note.find("witness.example.com/w1", bytes.fromhex("8d66cf3f"))
    assert witness is not None
    assert int.from_bytes(witness[:8], "big") == 1679315147


def test_a_signature_is_found_by_name_and_id_together() -> None:
    note = UnverifiedNote.parse(C2SP_NOTE)
    assert note.find("example.com/bar", bytes.fromhex("530d903a")) is None
    assert note.find("example.com/foo", bytes.fromhex("530d903b")) is None


def test_a_key_has_another_id_for_every_type() -> None:
    assert len({key_id("a", kind, bytes(32)) for kind in SignatureType}) == len(SignatureType)


@pytest.mark.parametrize(
    "note",
    [
        pytest.param(b"text\n\n" + b"\xff" + LINE.encode(), id="not UTF-8"),
        pytest.param(b"te\x00xt\n\n" + LINE.encode(), id="NUL"),
        pytest.param(b"te\txt\n\n" + LINE.encode(), id="tab"),
        pytest.param(b"text\r\n\n" + LINE.encode(), id="carriage return"),
        pytest.param(b"a" * MAX_NOTE_BYTES + b"\n\n" + LINE.encode(), id="too large"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_note_is_limited_utf8_text_T1(note: bytes) -> None:
    with pytest.raises(NoteError):
        UnverifiedNote.parse(note)


def other_line(number: int) -> str:
    return f"\u2014 relay{number} " + base64.b64encode(bytes(68)).decode() + "\n"


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("text\n" + LINE, id="no empty line"),
        pytest.param("text\n\n", id="no signature"),
        pytest.param("text\n\n" + LINE + "\n", id="empty line at the end"),
        pytest.param("text\n\n" + LINE[:-1], id="no newline at the end"),
        pytest.param("text\n\n" + LINE[:-1] + "x", id="another character at the end"),
        pytest.param(LINE, id="no text"),
        pytest.param(
            "text\n\n" + "".join(other_line(n) for n in range(MAX_SIGNATURES + 1)), id="too many"
        ),
    ],
)
def test_text_and_signatures_are_separated_T2(note: str) -> None:
    with pytest.raises(NoteError):
        UnverifiedNote.parse(note.encode())


def test_as_many_signatures_as_c2sp_asks_for_are_taken_T2() -> None:
    note = "text\n\n" + "".join(other_line(n) for n in range(MAX_SIGNATURES))
    assert len(UnverifiedNote.parse(note.encode()).signatures) == MAX_SIGNATURES >= 16


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("- relay.example AAAAAAA=\n", id="hyphen"),
        pytest.param("\u2014relay.example AAAAAAA=\n", id="no space after the dash"),
        pytest.param("\u2014 AAAAAAA=\n", id="no name"),
        pytest.param("\u2014  AAAAAAA=\n", id="empty name"),
        pytest.param("\u2014 re+lay AAAAAAA=\n", id="plus in the name"),
        pytest.param("\u2014 re\u00a0lay AAAAAAA=\n", id="Unicode space in the name"),
        pytest.param("\u2014 relay  AAAAAAA=\n", id="two spaces"),
        pytest.param("\u2014 relay AAAAAAA= \n", id="space at the end"),
        pytest.param("\u2014 relay\n", id="no signature"),
        pytest.param("\u2014 relay \n", id="empty signature"),
        pytest.param("\u2014 relay AAAAAA==\n", id="key id only"),
        pytest.param("\u2014 relay AAA=\n", id="shorter than a key id"),
        pytest.param("\u2014 relay AAAAAAA\n", id="no padding"),
        pytest.param("\u2014 relay AAAAAAB=\n", id="bits behind the last byte"),
        pytest.param("\u2014 relay AAAA_AA=\n", id="alphabet of URLs"),
        pytest.param("\u2014 relay AAAAAAA=AAAA\n", id="padding in the middle"),
    ],
)
def test_a_signature_line_has_one_form_T3(line: str) -> None:
    with pytest.raises(NoteError):
        UnverifiedNote.parse(f"text\n\n{line}".encode())
    with pytest.raises(NoteError):
        UnverifiedNote.parse(f"text\n\n{LINE}{line}".encode())


def test_the_shortest_signature_line_T3() -> None:
    (line,) = UnverifiedNote.parse("text\n\n\u2014 r AAAAAAA=\n".encode()).signatures
    assert line == SignatureLine(name="r", key_id=bytes(4), signature=b"\x00")


def test_two_signatures_under_one_name_and_id_are_refused_T4() -> None:
    with pytest.raises(NoteError, match="two signatures"):
        UnverifiedNote.parse(f"text\n\n{LINE}{LINE}".encode())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"origin\n7\n{ROOT}\nextension\n", id="extension line"),
        pytest.param(f"origin\n7\n{ROOT}\n\n", id="empty line"),
        pytest.param(f"origin\n7\n{ROOT}", id="no last newline"),
        pytest.param("origin\n7\n", id="two lines"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_checkpoint_has_three_lines_T5(text: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(text.encode())


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "caf\u00e9", "a\u00a0b", "x" * 256, "a\x7f"])
def test_an_origin_is_visible_ascii_T6(origin: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(f"{origin}\n7\n{ROOT}\n".encode())
    with pytest.raises(MisusedLog):
        Checkpoint(origin=origin, size=7, root=bytes(32))


@pytest.mark.parametrize(
    "size",
    [
        "",
        "-1",
        "+7",
        "07",
        "00",
        " 7",
        "7 ",
        "7_0",
        "0x7",
        "\u0667",
        "\u00b2",
        str(2**63),
        "9" * 5000,
    ],
)
def test_a_tree_size_has_one_form_T7(size: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(f"origin\n{size}\n{ROOT}\n".encode())


@pytest.mark.parametrize("size", [1, 10, 2**63 - 1])
def test_tree_sizes_within_the_range_are_taken_T7(size: int) -> None:
    assert Checkpoint.parse(f"origin\n{size}\n{ROOT}\n".encode()).size == size


@pytest.mark.parametrize(
    "root",
    [
        "",
        ROOT[:-1],
        ROOT + "=",
        ROOT.replace("8=", "9="),
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        "!" + ROOT[1:],
    ],
)
def test_a_root_is_the_canonical_base64_of_32_bytes_T8(root: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(f"origin\n7\n{root}\n".encode())


def test_the_empty_tree_has_its_own_root_T8() -> None:
    empty = base64.b64encode(EMPTY_ROOT).decode()
    assert Checkpoint.parse(f"origin\n0\n{empty}\n".encode()).size == 0
    with pytest.raises(CheckpointError, match="empty tree"):
        Checkpoint.parse(f"origin\n0\n{ROOT}\n".encode())


def test_a_checkpoint_of_bytes_that_are_no_text_is_refused() -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(b"orig\xffin\n7\n" + ROOT.encode() + b"\n")
