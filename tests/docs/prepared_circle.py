"""What a guide takes for granted: two relays that run, and people who are in a circle already."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Final

from docs.shell_session import Said, Shell

PIN: Final = "only for trying"
DAY_S: Final = 86_400
WITHIN_S: Final = 60.0


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
        self.make_relay("hk", "home", "HK", "north")
        self.make_relay("pa", "entry", "PA", "south")
        self.introduce("hk", "pa")
        self.start("pa", "hk")

    def make_relay(self, name: str, role: str, jurisdiction: str, operator: str) -> None:
        """Make a relay in the folder of that name; a home relay's code is in ``NAME.code``."""
        told = self.elsewhere.type(
            f"./cloister relay init {name} --role {role} --host 127.0.0.1 --name gate.{operator}"
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

    def let_in(self, name: str, *vouchers: str, profile: str = "", steward: bool = False) -> None:
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
        self.until(profile or name, "status", "^phase: member$")

    def make_stewards(self, founder: str, *names: str) -> None:
        """Wait until those who were invited as stewards are.

        Their devices do it by themselves, and it takes effect a day later.
        """
        self.stay(*names)
        self.until(founder, "pending", "the day that was set")
        self.pass_time(DAY_S, founder)
        for name in names:
            self.until(name, "steward list", rf"^{name}$")

    def until(self, who: str, command: str, pattern: str) -> str:
        """Repeat a command of somebody elsewhere until a line that it prints fits; return it."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            said = self.do(who, command).out
            if found := re.search(pattern, said, re.M):
                return said[said.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
            assert time.monotonic() < deadline, said
            time.sleep(0.3)

    def set_clocks_on(self, seconds: int) -> None:
        """Set all clocks on, and a minute more."""
        clock = self.folder / "clock"
        written = self.folder / "clock.next"
        written.write_text(str(int(clock.read_text()) + seconds + 60))
        written.rename(clock)

    def pass_time(self, seconds: int, who: str) -> None:
        """Set all clocks on; somebody makes an entry, so that the log has the new time."""
        self.set_clocks_on(seconds)
        # Nothing is added until the relays have signed the log anew.
        self.elsewhere.type("until ./cloister invite; do sleep 0.5; done", who=who)
        self.do(who, "withdraw invitation")

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
        return self.until(who, "pending", text).partition("  ")[0]
