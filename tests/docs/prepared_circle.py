"""What a guide takes for granted: two relays that run, and people who are in a circle already."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from docs.shell_session import Said, Shell

PIN: Final = "only for trying"


class PreparedCircle:
    """Two relays and some people, each with a profile of that name.

    All of it is made by commands, which are typed in a shell beside the one of the guide's reader:
    the machines of the others.  The home relay lies in ``hk``, the entry relay in ``pa``.
    """

    def __init__(self, elsewhere: Shell) -> None:
        self.elsewhere: Final = elsewhere
        self.folder: Final = elsewhere.folder

    def run_relays(self) -> None:
        """Make both, and start them."""
        self.make_relay("hk", "home", "HK", "North")
        self.make_relay("pa", "entry", "PA", "South")
        self.introduce("hk", "pa")
        self.start("pa", "hk")

    def make_relay(self, name: str, role: str, jurisdiction: str, operator: str) -> None:
        """Make a relay in the folder of that name; a home relay's code is in ``NAME.code``."""
        told = self.elsewhere.type(
            f"./cloister relay init {name} --role {role} --host 127.0.0.1"
            f" --jurisdiction {jurisdiction} --operator {operator}"
        )
        if role == "home":
            (self.folder / f"{name}.code").write_text(told.out.splitlines()[-1])

    def introduce(self, one: str, other: str) -> None:
        """Add each relay's card to the other's peers."""
        self.elsewhere.type(
            f"./cloister relay peer {one} {other}/relay.card\n"
            f"./cloister relay peer {other} {one}/relay.card"
        )

    def start(self, *names: str) -> None:
        """Start relays, and wait until they are ready."""
        for name in names:
            self.elsewhere.type(f"./cloister relay run {name} 2> {name}.log &")
        for name in names:
            self.elsewhere.type(f"until grep -q ready {name}.log; do sleep 0.05; done")

    def found(self, founder: str) -> None:
        """Found a circle."""
        self.do(
            founder,
            f"circle new --name {founder} --home hk/relay.card --entry pa/relay.card"
            " --activation-code-fd 3 3< hk.code",
        )
        self.stay(founder)

    def let_in(
        self, name: str, *vouchers: str, profile: str = "", steward: bool = False
    ) -> None:
        """Let somebody in, invited by the first of those who vouch."""
        code = self.do(vouchers[0], "invite --steward" if steward else "invite").out
        self.ask(name, code, profile=profile)
        self.vouch(name, *vouchers, profile=profile)

    def ask(self, name: str, code: str, *, profile: str = "") -> None:
        """Have somebody, or a device of theirs, ask to be let in."""
        self.elsewhere.type(
            f"./cloister join - --name {name}", who=profile or name, typed=code.strip() + "\n"
        )

    def vouch(self, name: str, *vouchers: str, profile: str = "") -> None:
        """Have them vouch, until the device is in."""
        for voucher in vouchers:
            self.do(voucher, f"vouch {name} --met --yes")
        assert self.phase(profile or name) == "member"

    def make_stewards(self, *names: str) -> None:
        """Wait until those who were invited as stewards are: their devices do it by themselves."""
        self.stay(*names)
        for name in names:
            self.elsewhere.type(
                f"until ./cloister steward list > stewards && grep -q {name} stewards;"
                " do sleep 0.2; done",
                who=name,
            )

    def add_device(self, name: str, profile: str, *vouchers: str, using: str = "") -> None:
        """Give somebody one more device, with a profile of that name."""
        self.ask(name, self.do(using or name, "device add").out, profile=profile)
        self.vouch(name, *vouchers, profile=profile)

    def stay(self, *names: str) -> None:
        """Have somebody's device stay connected; commands of that profile go through it."""
        for name in names:
            self.do(name, f"read commons --follow > {name}.follows 2>&1 & sleep 0.3")

    def do(self, who: str, command: str) -> Said:
        """Run a command of somebody elsewhere."""
        return self.elsewhere.type(f"./cloister {command}", who=who)

    def views(self, who: str, command: str) -> list[dict[str, Any]]:
        """The same with ``--json``; return its objects."""
        return [json.loads(line) for line in self.do(who, f"{command} --json").out.splitlines()]

    def phase(self, who: str) -> str:
        """Where a device stands."""
        return str(self.views(who, "status")[0]["phase"])

    def texts(self, who: str, conversation: str) -> list[str]:
        """What somebody reads in a conversation."""
        rows = self.views(who, f'read "{conversation}"')
        return [str(row["text"]) for row in rows if row["kind"] == "text"]

    def reference(self, who: str, text: str) -> str:
        """Return the reference of what waits and is described so."""
        for line in self.do(who, "pending").out.splitlines():
            reference, _, rest = line.partition("  ")
            if re.search(text, rest):
                return reference
        raise AssertionError(text)

    def clock(self, seconds: int) -> Path:
        """Set the clock of all programs ahead of the machine's: those of both shells read it."""
        path = self.folder / "clock"
        path.write_text(str(seconds))
        return path
