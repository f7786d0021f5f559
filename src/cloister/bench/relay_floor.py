"""The floor of the relay bench: a bare WebSocket server with the same group commit and TLS.

Run as ``python -m cloister.bench.relay_floor FOLDER PORT`` on the folder of a home relay, for its
certificate.  A message is 16 bytes of id and an envelope; whoever connects to /r/N gets what was
put on /s/N, after it is on disk.  No rights, no indices, no retries, no window.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from pathlib import Path
from typing import Final

import picows
import sqlcipher3.dbapi2 as sqlite
import uvloop

from cloister.bench.paired_load import ENVELOPE_BYTES
from cloister.relay.folder import Folder
from cloister.relay.storage.sqlite.schema import open_file
from cloister.relay.storage.sqlite.store import WINDOW_S
from cloister.relay.storage.sqlite.writer import CHECKPOINT_PAGES

STEP: Final = 16 + ENVELOPE_BYTES
Message = tuple[int, bytes, bytes]


class Floor:
    """The server."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.connection = open_file(path)
        # The relay does this itself, as it must hear of errors; a bare server need not.
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self.connection.execute("CREATE TABLE bare (key INTEGER PRIMARY KEY, id BLOB, bytes BLOB)")
        self.sockets: dict[str, picows.WSTransport] = {}
        self.waiting: list[Message] = []
        self.is_busy = False
        self.handed_at = 0.0
        self.batches: queue.SimpleQueue[list[Message]] = queue.SimpleQueue()
        threading.Thread(target=self.write, daemon=True).start()

    def take(self, index: int, data: bytes) -> None:
        """Collect the messages of a frame."""
        if not self.waiting and not self.is_busy:
            self.loop.call_at(self.handed_at + WINDOW_S, self.hand_over)
        for start in range(0, len(data), STEP):
            end = start + STEP
            self.waiting.append((index, data[start : start + 16], data[start + 16 : end]))

    def hand_over(self) -> None:
        """Give a batch to the writer."""
        if self.waiting and not self.is_busy:
            self.is_busy = True
            self.handed_at = self.loop.time()
            batch, self.waiting = self.waiting, []
            self.batches.put(batch)

    def write(self) -> None:
        """The writer's thread: one transaction a batch, many rows a statement."""
        execute = self.connection.execute
        while True:
            batch = self.batches.get()
            execute("BEGIN IMMEDIATE")
            for start in range(0, len(batch), 64):
                rows = batch[start : start + 64]
                values = [value for _, one, envelope in rows for value in (one, envelope)]
                marks = ", ".join(["(?, ?)"] * len(rows))
                execute(f"INSERT INTO bare (id, bytes) VALUES {marks}", values)  # noqa: S608
            execute("COMMIT")
            self.loop.call_soon_threadsafe(self.deliver, batch)

    def deliver(self, batch: list[Message]) -> None:
        """Acknowledge to senders, pass on to receivers: a frame a connection."""
        acks: dict[int, list[bytes]] = {}
        items: dict[int, list[bytes]] = {}
        for index, one, envelope in batch:
            acks.setdefault(index, []).append(one)
            items.setdefault(index, []).append(one + envelope)
        for kind, frames in (("s", acks), ("r", items)):
            for index, parts in frames.items():
                socket = self.sockets.get(f"/{kind}/{index}")
                if socket is not None:
                    socket.send(picows.WSMsgType.BINARY, b"".join(parts))
        self.is_busy = False
        if self.waiting:
            self.loop.call_at(self.handed_at + WINDOW_S, self.hand_over)


class _Listener(picows.WSListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, floor: Floor, path: str) -> None:
        super().__init__()
        self.floor = floor
        self.path = path
        self.index = int(path.rsplit("/", 1)[1])

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.floor.sockets[self.path] = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.floor.take(self.index, frame.get_payload_as_bytes())


async def serve(folder: Folder, port: int) -> None:
    """Serve until the process is ended."""
    floor = Floor(folder.path / "floor.sqlite3")
    await picows.ws_create_server(
        lambda request: _Listener(floor, request.path.decode("ascii")),
        "127.0.0.1",
        port,
        ssl=folder.server_context(),
        read_buffer_init_size=2048,
        enable_auto_ping=False,
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(Folder(Path(sys.argv[1])), int(sys.argv[2])))
    except sqlite.Error as error:
        sys.exit(f"the bare server failed: {error}")
