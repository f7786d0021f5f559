"""A relay with a planted fault: it says on standard error which activation codes it is shown."""

from __future__ import annotations

import sys

from cloister.cli.main import main
from cloister.relay.services.founding import Foundings
from cloister.relay.session import Session
from cloister.wire import commands

_begin = Foundings.begin


def _talkative(self: Foundings, session: Session, request: commands.Begin) -> None:
    print(f"a founder came with {request.code!r}", file=sys.stderr, flush=True)
    _begin(self, session, request)


if __name__ == "__main__":
    Foundings.begin = _talkative  # type: ignore[method-assign]
    main()
