"""Mosquitto and ejabberd as plain child processes, each in a folder of its own.

No service of the system is used or touched, nothing is installed, and nothing listens elsewhere
than on one port of loopback.  ejabberd runs without Erlang's distribution: no node name, no cookie,
no epmd.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from cloister.errors import LocalError

START_S: Final = 30.0
_PLACES: Final = "/usr/sbin:/usr/local/sbin"
_DEBIAN_ERL_LIBS: Final = (Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib/aarch64-linux-gnu"))


class PeerAbsent(LocalError):
    """The programs of a peer are not installed."""


class PeerServer(ABC):
    """One server: started, measured, stopped."""

    name: str
    protocol: str
    """Which client the load is (``peer_load``)."""
    guarantees: str
    """What its acknowledgement to the sender says."""
    apt: str
    """The packages that Debian has it in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.certificate = folder / "tls.crt"
        self._key = folder / "tls.key"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def find(self) -> list[str]:
        """Return the command that runs it.  Raises PeerAbsent."""

    @abstractmethod
    def configure(self) -> dict[str, str]:
        """Write its configuration into the folder; returns what the environment must say."""

    def start(self) -> int:
        """Start with an empty folder and wait until it listens; returns the process id.

        Raises LocalError."""
        command = self.find()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        self._make_certificate()
        environment = {**os.environ, "HOME": str(self.folder), **self.configure()}
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        until = time.monotonic() + START_S
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "log").read_text("utf-8", "replace")[-2000:]
                self.stop()
                raise LocalError(f"{self.name} of the bench did not start: {said}")
            time.sleep(0.05)
        return self._process.pid

    def _make_certificate(self) -> None:
        """Make a key of P-256 and its certificate: ejabberd knows none of Ed25519, as ours is."""
        names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
        files = ("-keyout", str(self._key), "-out", str(self.certificate))
        subprocess.run(
            [_program("openssl", self), "req", "-x509", *kind, *names, *files],
            check=True,
            capture_output=True,
        )

    def stop(self) -> None:
        """Stop the process."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Mosquitto(PeerServer):
    """The broker in C: QoS 1, TLS 1.3, persistent sessions."""

    name = "Mosquitto"
    protocol = "mqtt"
    guarantees = "PUBACK from memory; its file is written every 30 min, and at the end"
    apt = "mosquitto openssl"

    def find(self) -> list[str]:
        """Look for the broker."""
        return [_program("mosquitto", self), "-c", str(self.folder / "mosquitto.conf")]

    def configure(self) -> dict[str, str]:
        """One TLS listener; limits so high that the load does not reach them."""
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\n"
            f"certfile {self.certificate}\n"
            f"keyfile {self._key}\n"
            "tls_version tlsv1.3\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.folder}/\n"
            # Run by root, the broker would change to a user who cannot read this folder.
            f"{'user root' if os.geteuid() == 0 else ''}\n"
            "log_type error\n"
            "set_tcp_nodelay true\n"
            "max_queued_messages 0\n",
            "ascii",
        )
        return {}


class Ejabberd(PeerServer):
    """The XMPP server in Erlang: c2s TLS, XEP-0198, without an archive."""

    name = "ejabberd"
    protocol = "xmpp"
    guarantees = "XEP-0198: routed to the receiver's session; nothing is written"
    apt = "ejabberd openssl"
    archive = ""

    def find(self) -> list[str]:
        """Look for the server and its Erlang.

        The schedulers do not spin while they wait: that would be counted as work, and on a machine
        of two cores it would take the load's."""
        erl = _program("erl", self)
        if not any(place.glob("ejabberd-*/ebin/ejabberd.app") for place in _DEBIAN_ERL_LIBS):
            raise _absent(self)
        quiet = ("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")
        database = ("-mnesia", "dir", f'"{self.folder / "database"}"')
        return [erl, "-noinput", "+K", "true", "+P", "250000", *quiet, *database, "-s", "ejabberd"]

    def configure(self) -> dict[str, str]:
        """One c2s listener, accounts made by the devices themselves, no limits of rate."""
        both = self.folder / "both.pem"
        both.write_bytes(self._key.read_bytes() + self.certificate.read_bytes())
        both.chmod(0o600)
        path = self.folder / "ejabberd.yml"
        path.write_text(
            f"""\
loglevel: error
hosts: [localhost]
certfiles: ["{both}"]
listen:
  -
    port: {self.port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    tls: true
    backlog: 1024
    shaper: none
    access: all
auth_method: internal
auth_password_format: plain
registration_timeout: infinity
modules:
  mod_register:
    ip_access: all
    access: all
    password_strength: 0
  mod_offline: {{}}
  mod_stream_mgmt:
    max_ack_queue: infinity
{self.archive}""",
            "ascii",
        )
        libraries = [str(place) for place in _DEBIAN_ERL_LIBS if place.is_dir()]
        return {
            "EJABBERD_CONFIG_PATH": str(path),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_LIBS": ":".join(libraries),
            "ERL_CRASH_DUMP_BYTES": "0",
            "ERL_MAX_PORTS": "64000",
        }


class EjabberdArchive(Ejabberd):
    """The same with its archive of messages, in the database that the package brings."""

    name = "ejabberd, archive"
    guarantees = "XEP-0198: written to both users' archives, flushed later"
    archive = "  mod_mam:\n    default: always\n    db_type: mnesia\n"


PEERS: Final[tuple[type[PeerServer], ...]] = (Mosquitto, Ejabberd, EjabberdArchive)


def _program(name: str, peer: PeerServer) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
    if path is None:
        raise _absent(peer)
    return path


def _absent(peer: PeerServer) -> PeerAbsent:
    return PeerAbsent(
        f"{peer.name} is not installed", hint=f"install it with: apt install {peer.apt}"
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
