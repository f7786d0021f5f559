"""The door of the alert bot: POST requests on loopback, from whoever knows the token.

    curl -H "Authorization: Bearer $(cat token)" --data-binary "disk full" http://127.0.0.1:9099/

A body is plain text, an alert a line; or JSON as Prometheus' Alertmanager sends it.  Requests are
answered one after the other, so that no caller can take memory.  202 says that the bot has the
alerts in memory, not that they are sent.
"""

import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from cloister import errors

MOST_BYTES = 65_536
MOST_LINES = 200
PATIENCE_S = 5.0
LEAST_TOKEN = 16


def read_token(path: Path) -> str:
    """Return the token of a file that only its owner reads.  Raises ``UsageError``."""
    try:
        mode, token = path.stat().st_mode, path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.UsageError(f"the token cannot be read: {type(error).__name__}") from None
    if mode & 0o077:
        raise errors.UsageError("others can read the token", hint=f"chmod 600 {path}")
    if len(token) < LEAST_TOKEN:
        raise errors.UsageError(
            f"the token is shorter than {LEAST_TOKEN} characters",
            hint=f"openssl rand -hex 16 > {path}",
        )
    return token


@contextmanager
def listen(port: int, token: str, add: Callable[[str], None]) -> Iterator[int]:
    """Take requests on a port of loopback (0: any) while the body runs; yield the port.

    ``add`` is called in another thread.  Raises ``LocalError`` where the port is taken.
    """

    class Door(BaseHTTPRequestHandler):
        """Answers one request."""

        timeout = PATIENCE_S
        server_version, sys_version = "alert_bot", ""

        def do_POST(self) -> None:
            """Take alerts."""
            given = self.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, b"Bearer " + token.encode()):
                self.answer(HTTPStatus.UNAUTHORIZED)
                return
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self.answer(HTTPStatus.LENGTH_REQUIRED)
                return
            if int(length) > MOST_BYTES:
                self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            is_json = self.headers.get_content_type() == "application/json"
            try:
                lines = alerts_in(self.rfile.read(int(length)), is_json=is_json)
            except ValueError:
                self.answer(HTTPStatus.BAD_REQUEST)
                return
            for line in lines[:MOST_LINES]:
                add(line)
            self.answer(HTTPStatus.ACCEPTED)

        def answer(self, status: HTTPStatus) -> None:
            """Send a status and nothing else."""
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing of a request is written down."""

    try:
        server = HTTPServer(("127.0.0.1", port), Door)
    except OSError as error:
        raise errors.LocalError(f"port {port} cannot be used: {error.strerror}") from None
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)


def alerts_in(body: bytes, *, is_json: bool) -> list[str]:
    """Return the alerts of a request's body, one a line.  Raises ``ValueError``."""
    text = body.decode("utf-8")
    if not is_json:
        return text.splitlines()
    given = json.loads(text)
    if not isinstance(given, dict) or not isinstance(given.get("alerts"), list):
        raise ValueError("not what Alertmanager sends")  # noqa: TRY004
    return [_line(one) for one in given["alerts"] if isinstance(one, dict)]


def _line(alert: dict[str, Any]) -> str:
    labels, annotations = alert.get("labels"), alert.get("annotations")
    labels = labels if isinstance(labels, dict) else {}
    annotations = annotations if isinstance(annotations, dict) else {}
    words = (
        alert.get("status", "firing"),
        labels.get("alertname", "alert"),
        labels.get("instance", ""),
        annotations.get("summary", ""),
    )
    return " ".join(str(word) for word in words if word)
