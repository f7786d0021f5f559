"""The agent: the same facade through a private socket, errors with their exit codes."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from cloister.client.contact_acts import NoteVerified
from cloister.client.effects import (
    FOLLOWING,
    Alarm,
    Changed,
    Message,
    MessageState,
    PutMessage,
    Shown,
)
from cloister.client.inputs import Join, Leave, MarkRead
from cloister.client.kept import Places
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device import agent, keeping, local
from cloister.device.agent import serve
from cloister.device.agent_client import RemoteDevice, find_agent
from cloister.device.app import run_device
from cloister.device.authors import Authors
from cloister.device.errors import DeviceClosed, FellBehind
from cloister.device.local import Device
from cloister.device.notices import MOST_NOTICES, Notices
from cloister.device.paths import socket_path
from cloister.device.private_socket import peer_uid
from cloister.device.vault import Cost, Vault, VaultWriteFailed
from cloister.device.vault.kept_rows import KeptMessage
from cloister.errors import LockedError, NetworkError, NotFoundError, UsageError
from cloister.values import replace
from unit.device.scripted import CHANNEL, VIEWS, core_class, text_message

Story = Callable[[Device, RemoteDevice], Coroutine[Any, Any, None]]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (what is waited for happens in this loop's next turns)
        await asyncio.sleep(0)


def with_agent(folder: Path, story: Story, **core: Any) -> None:
    async def main() -> None:
        async def opening() -> Vault:
            return Vault.create(folder, Secret(b"pw"), entropy=SystemEntropy(), cost=Cost(64, 1, 1))

        path = socket_path(folder)
        async with (
            asyncio.timeout(20),
            run_device(opening, core=core_class(**core), views=VIEWS) as device,
            serve(device, path),
        ):
            remote = await find_agent(path)
            assert remote is not None
            await story(device, remote)

    asyncio.run(main())


async def _first_two(remote: RemoteDevice) -> list[object]:
    got: list[object] = []
    async for notice in remote.follow():
        if notice != Changed(what=FOLLOWING):
            got.append(notice)
        if len(got) == 2:
            return got
    return got


def test_every_question_gives_the_same_answer_as_in_the_process_itself(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        assert await remote.status() == await device.status()
        assert await remote.circle() == await device.circle()
        assert await remote.members() == await device.members()
        assert await remote.requests() == await device.requests()
        sent = await remote.send("desk", "grüße \u202e\x1b[31m\n2", 5)
        assert sent.state is MessageState.SENT
        assert await remote.history("desk") == await device.history("desk") == [sent]
        assert await remote.history("desk", after=sent.position) == []
        assert await remote.history("desk", before=sent.position) == []
        assert await remote.history("desk", before=sent.position + 1) == [sent]
        assert await remote.newest() == await device.newest() == [sent]
        assert await remote.search("GRÜSSE") == await device.search("GRÜSSE") == [sent]
        assert await remote.search("nowhere") == []
        await remote.keep_draft("desk", "half a li")
        assert await remote.drafts() == await device.drafts() == {CHANNEL.hex(): "half a li"}
        assert await remote.conversations() == await device.conversations()
        assert await remote.receipts("desk") == await device.receipts("desk")
        assert await remote.comparison("Ben") == await device.comparison("Ben")
        await remote.mark_read("desk", sent.position)
        assert await remote.settle(0.1) is False
        assert await remote.log(-50, 50) == await device.log(-50, 50)
        assert await remote.verify_log() == await device.verify_log()

    with_agent(tmp_path, story)


def test_reading_is_told_to_the_core_where_a_person_wants_it_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VIEWS, "wants_reading", lambda core, name: True)

    async def story(device: Device, remote: RemoteDevice) -> None:
        device._vault.commit([PutMessage(message=text_message(n)) for n in (3, 7, 9)])
        await remote.mark_read("desk", 8)
        seen = device._engine.core.seen  # type: ignore[attr-defined]
        [told] = [one for one in seen if isinstance(one, MarkRead)]
        assert (told.conversation, told.n) == ("desk", 7)

    with_agent(tmp_path, story)


def test_rows_stand_under_the_present_name_of_their_author(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brothers = Authors({text_message(3).sender: "Brother"})
    monkeypatch.setattr(VIEWS, "authors", lambda core: brothers)

    async def story(device: Device, remote: RemoteDevice) -> None:
        device._vault.commit([PutMessage(message=text_message(3))])
        assert text_message(3).sender_name != "Brother"
        for rows in (
            await remote.history("desk"),
            await remote.newest(),
            await remote.search(text_message(3).text),
        ):
            assert [row.sender_name for row in rows] == ["Brother"]
        monkeypatch.setattr(VIEWS, "authors", lambda core: Authors({bytes(32): "Me"}))
        heard = asyncio.ensure_future(_first_two(remote))
        await until(lambda: len(device._engine._listeners) > 1)  # one is its own
        sent = await device.send("desk", "hello", 5)
        names = {one.message.sender_name for one in await heard if isinstance(one, Shown)}
        assert names == {sent.sender_name} == {"Me"}

    with_agent(tmp_path, story)


def test_what_some_write_counts_as_nothing_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        others = replace(text_message(2), sender=b"\x07" * 32)
        device._vault.commit([PutMessage(message=one) for one in (text_message(1), others)])

        async def unread() -> tuple[int, int]:
            (view,) = await remote.conversations()
            return view["unread"], (await remote.status())["unread"]

        assert await unread() == (2, 2)
        monkeypatch.setattr(VIEWS, "uncounted", lambda core: frozenset({others.sender}))
        assert await unread() == (1, 1)

    with_agent(tmp_path, story)


def test_acts_travel_with_all_their_fields(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        assert await remote.act(Leave(ref=0)) == "Leave"
        assert await remote.act(Join(ref=5, code="CLOISTER1:X", name="Jonas")) == "Join"
        verified = NoteVerified(ref=0, member="Ben", fingerprint=bytes(range(32)))
        assert await remote.act(verified) == "NoteVerified"
        seen = device._engine.core.seen  # type: ignore[attr-defined]
        assert seen[2].fingerprint == bytes(range(32))
        assert seen[1] == Join(ref=2, code="CLOISTER1:X", name="Jonas")

    with_agent(tmp_path, story)


def test_errors_keep_their_words_and_their_exit_code(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        with pytest.raises(NotFoundError, match="no such conversation") as caught:
            await remote.send("nowhere", "hello", 1)
        assert caught.value.hint == "look at the list"
        with pytest.raises(NotFoundError):
            await remote.history("nowhere")

    with_agent(tmp_path, story)


def test_an_act_that_nobody_answers_ends_in_a_network_error(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        with pytest.raises(NetworkError, match="not done within"):
            await remote.act(Leave(ref=0), 0.05)

    with_agent(tmp_path, story, script=lambda core, given, now: ())


def test_followers_hear_what_happens_from_then_on(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        heard = asyncio.ensure_future(_first_two(remote))
        await until(lambda: len(device._engine._listeners) > 1)  # one is its own
        await device.send("desk", "hello", 5)
        queued, sent = await heard
        assert isinstance(queued, Shown)
        assert isinstance(sent, Shown)
        assert (queued.message.state, sent.message.state) == (
            MessageState.QUEUED,
            MessageState.SENT,
        )

    with_agent(tmp_path, story)


def test_who_falls_behind_is_told_every_alarm_all_the_same(tmp_path: Path) -> None:
    """What was said can be read again in the vault; what was warned of stands nowhere else."""

    async def story(device: Device, remote: RemoteDevice) -> None:
        alarm = Alarm(code="fork", text="the relay shows two histories")
        notices = device.follow()
        assert await anext(notices) == Changed(what=FOLLOWING)
        for _ in range(MOST_NOTICES + 5):
            device._engine.tell(Changed(what="members"))
        device._engine.tell(alarm)
        heard: list[object] = []

        async def listen() -> None:
            async for notice in notices:
                heard.append(notice)

        with pytest.raises(FellBehind):
            await listen()
        assert len(heard) == MOST_NOTICES + 1
        assert heard[-1] == alarm

    with_agent(tmp_path, story)


def test_a_text_that_is_sent_while_much_is_told_is_said_to_be_sent() -> None:
    """Else whoever sends it is told of an error, and sends it again."""

    async def main() -> None:
        notices = Notices()
        for _ in range(MOST_NOTICES + 5):
            notices.take(Changed(what="members"))
        queued = replace(text_message(1), state=MessageState.QUEUED)

        reads: list[int] = []

        async def read() -> Message:
            # Still queued the first time; the relay has it a moment later, and that is told.
            reads.append(len(reads))
            sent = replace(queued, state=MessageState.SENT)
            asyncio.get_running_loop().call_soon(notices.take, Shown(message=sent))
            return queued

        sent = await asyncio.wait_for(local._until_sent(notices, queued, read), 10)
        assert sent.state is MessageState.SENT

    asyncio.run(main())


def test_a_follower_that_hangs_up_is_forgotten(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        before = list(device._engine._listeners)
        following = asyncio.ensure_future(anext(aiter(remote.follow())))
        await until(lambda: device._engine._listeners != before)
        following.cancel()
        await until(lambda: device._engine._listeners == before)

    with_agent(tmp_path, story)


def test_the_socket_is_private(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        assert stat.S_IMODE(socket_path(tmp_path).stat().st_mode) == 0o600

    with_agent(tmp_path, story)
    assert not socket_path(tmp_path).exists()


def test_a_peer_of_another_user_is_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        monkeypatch.setattr(agent, "peer_uid", lambda peer: os.geteuid() + 1)
        with pytest.raises(DeviceClosed):
            await remote.status()

    with_agent(tmp_path, story)


def test_the_peers_uid_is_the_kernels_word() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"{}\n",
        b'{"v":1,"id":1,"op":"format_disk"}\n',
        b'{"v":9,"id":1,"op":"status"}\n',
        b'{"v":1,"id":1,"op":"act","args":{"act":"Act","fields":{"ref":1}}}\n',
        b'{"v":1,"id":1,"op":"act","args":{"act":"Join","fields":{"ref":1}}}\n',
        b'{"v":1,"id":1,"op":"send","args":{"conversation":3}}\n',
        b'{"v":1,"id":1,"op":"history","args":{"conversation":"desk","limit":"all"}}\n',
    ],
)
def test_garbage_on_the_socket_is_answered_with_an_error(tmp_path: Path, line: bytes) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
        writer.write(line)
        assert b'"error"' in await reader.readline()
        writer.close()
        assert (await remote.status())["phase"] == "member"

    with_agent(tmp_path, story)


def test_a_dead_agents_socket_is_replaced_but_no_other_file(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def story(device: Device, remote: RemoteDevice) -> None:
        assert (await remote.status())["phase"] == "member"

    with_agent(tmp_path, story)
    assert asyncio.run(find_agent(path)) is None


def test_lock_reaches_the_holder(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        await remote.lock()
        assert device.locked.is_set()

    with_agent(tmp_path, story)


def test_a_vault_that_fails_ends_the_device_with_its_reason(tmp_path: Path) -> None:
    async def story(device: Device, remote: RemoteDevice) -> None:
        device._vault._connection.execute("PRAGMA max_page_count = 20")
        sending = asyncio.ensure_future(remote.send("desk", "x" * 500_000, 1))
        try:
            await asyncio.Event().wait()
        finally:
            sending.cancel()

    with pytest.raises(VaultWriteFailed):
        with_agent(tmp_path, story)


def test_a_long_path_gets_a_socket_elsewhere_with_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    deep = tmp_path / ("d" * 100)
    deeper = tmp_path / ("d" * 101)
    assert socket_path(tmp_path) == tmp_path.resolve() / "agent.sock"
    assert str(socket_path(deep)).startswith("/run/user/1/cloister/")
    assert socket_path(deep) != socket_path(deeper)
    assert len(str(socket_path(deep))) < 100


@pytest.mark.parametrize("last_words", [b"", b'{"v":1,"res'], ids=["between lines", "in a line"])
def test_an_agent_killed_before_it_has_answered_is_said_to_have_ended(
    tmp_path: Path, last_words: bytes
) -> None:
    async def main() -> None:
        async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(last_words)
            writer.close()

        path = tmp_path / "agent.sock"
        async with asyncio.timeout(20), await asyncio.start_unix_server(die, str(path)):
            with pytest.raises(DeviceClosed, match="has ended"):
                await RemoteDevice(path).status()

    asyncio.run(main())


def test_a_backup_is_made_and_read_by_the_process_that_holds_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ARCHIVE_COST", Cost(64, 1, 1))
    (tmp_path / "p").mkdir()
    target = str(tmp_path / "backup")

    async def story(device: Device, remote: RemoteDevice) -> None:
        sent = await remote.send("desk", "kept", 5)
        steps = [view async for view in remote.backup(target, "a long passphrase")]
        assert steps[-1]["done"] is True
        assert (steps[-1]["messages"], steps[-1]["file"]) == (1, target)
        # The core was asked first: this one answers every act with its name.
        assert steps[-1]["entry"] == "TakeHistory"
        assert [view["done"] for view in steps[:-1]] == [False] * (len(steps) - 1)
        with pytest.raises(UsageError, match="is there already"):
            _ = [view async for view in device.backup(target, "a long passphrase")]
        _ = [view async for view in remote.backup(target, "a long passphrase", force=True)]
        read = [view async for view in remote.restore(target, "a long passphrase")]
        assert (read[-1]["messages"], read[-1]["new"], read[-1]["done"]) == (1, 0, True)
        with pytest.raises(LockedError):
            _ = [view async for view in remote.restore(target, "another passphrase")]
        for asked in (remote.backup("here", "a long passphrase"), remote.restore("here", "x")):
            with pytest.raises(UsageError, match="whole path"):
                await anext(asked)
        assert await remote.history("desk") == [sent]

    with_agent(tmp_path / "p", story)


def test_who_hangs_up_in_a_backup_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ARCHIVE_COST", Cost(64, 1, 1))
    (tmp_path / "p").mkdir()

    async def story(device: Device, remote: RemoteDevice) -> None:
        rows = [PutMessage(message=text_message(n, "x" * 5000)) for n in range(1, 3000)]
        device._vault.commit(rows)
        asked = remote.backup(str(tmp_path / "backup"), "a long passphrase")
        await anext(asked)
        await asked.aclose()
        # Another task removes it.
        while list(tmp_path.glob("*backup*")):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)

    with_agent(tmp_path / "p", story)


def test_history_that_nothing_else_knows_of_is_listed_and_read(tmp_path: Path) -> None:
    other = b"an old channel id"[:16]

    async def story(device: Device, remote: RemoteDevice) -> None:
        kept = device._vault.kept
        row = text_message(4, "from before", channel_id=other)
        kept.keep_titles({other: "Old desk", bytes(15) + b"e": "Nothing here"})
        kept.restore_messages([KeptMessage(**_fields(row))], Places())
        views = await remote.conversations()
        assert [view["title"] for view in views] == ["desk", "Old desk"]
        assert (views[1]["state"], views[1]["unread"], views[1]["members"]) == ("kept", 0, [])
        for name in ("old desk", other.hex(), other.hex()[:10]):
            [found] = await remote.history(name)
            assert found.text == "from before"
        await remote.mark_read("Old desk", found.position)
        with pytest.raises(NotFoundError):
            await remote.history("Nowhere")
        with pytest.raises(NotFoundError):
            await remote.send("Old desk", "hello?", 1)

    with_agent(tmp_path, story)


def _fields(row: Message) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
