"""Who vouched for whom, as a tree: each member stands below one of those who let it in.

A membership rests on several vouches, and a tree has room for one: the inviter's, if the inviter
vouched, else the first.  The others are named beside it.  Whoever stands above came earlier, so
there are no circles, whatever was vouched for again later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cloister.client.safe_text import safe_line
from cloister.errors import NotFoundError

MemberView = Mapping[str, Any]
"""One of ``views.members_view``."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A member and those below it, in the order of their admission."""

    member_id: str
    """Hexadecimal."""
    name: str
    role: str
    state: str
    bot: bool
    """Whether no person reads there."""
    others: tuple[str, ...]
    """Ids of members who vouched too."""
    children: tuple[Node, ...]
    below: int
    """How many members stand below, at any depth."""

    @property
    def standing(self) -> str:
        """Role, that it is a bot, and state where it is not the usual one, in words."""
        state = "" if self.state == "active" else self.state
        return ", ".join(one for one in (self.role, "a bot" if self.bot else "", state) if one)

    @property
    def is_out(self) -> bool:
        """Whether the member does not belong to the circle now."""
        return self.state not in ("active", "needs vouches")

    def walk(self) -> Iterator[Node]:
        """This member and all below, each after the one above."""
        # Not recursive: each can have brought the next, for as long as there are members.
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def trees_of(members: Sequence[MemberView]) -> tuple[Node, ...]:
    """Put members into trees; there is one, unless members are missing from the list."""
    place = {str(one["member_id"]): number for number, one in enumerate(members)}
    below: dict[str, list[MemberView]] = {}
    for number, one in enumerate(members):
        below.setdefault(_parent(one, place, number), []).append(one)
    # Children come after their parents: from the end, those of a member are there before it.
    made: dict[str, Node] = {}
    for one in reversed(members):
        member_id = str(one["member_id"])
        children = tuple(made[str(child["member_id"])] for child in below.get(member_id, ()))
        parent = _parent(one, place, place[member_id])
        made[member_id] = Node(
            member_id=member_id,
            name=safe_line(str(one["name"])),
            role=str(one["role"]),
            state=_state(one),
            bot=bool(one.get("bot")),
            others=tuple(who for who in one.get("voucher_ids", ()) if who != parent),
            children=children,
            below=sum(1 + child.below for child in children),
        )
    return tuple(made[str(one["member_id"])] for one in below.get("", ()))


def _parent(one: MemberView, place: Mapping[str, int], number: int) -> str:
    """Return whom a member stands below; empty: nobody."""
    vouchers = list(one.get("voucher_ids", ()))
    inviter = one.get("inviter_id") or ""
    candidates = [inviter, *vouchers] if inviter in vouchers else [*vouchers, inviter]
    return next((who for who in candidates if place.get(who, number) < number), "")


def _state(one: MemberView) -> str:
    if one["state"] == "active" and one.get("needs_revouch"):
        return "needs vouches"
    return str(one["state"])


def branch_of(trees: Sequence[Node], name: str) -> tuple[Node, ...]:
    """Return the member of this name with all below.  Raises ``NotFoundError``."""
    wanted = " ".join(name.casefold().split())
    for tree in trees:
        for node in tree.walk():
            if " ".join(node.name.casefold().split()) == wanted:
                return (node,)
    raise NotFoundError(
        f"nobody in the circle is called “{safe_line(name)}”", hint="See `cloister members`."
    )


def text_lines(trees: Sequence[Node], *, depth: int | None = None) -> Iterator[str]:
    """Draw trees for a terminal, a line for each member down to ``depth`` (the root is 0)."""
    names = {node.member_id: node.name for tree in trees for node in tree.walk()}
    waiting = [(tree, "", "", 0) for tree in reversed(trees)]
    while waiting:
        node, before, branch, level = waiting.pop()
        is_cut = depth is not None and level >= depth and bool(node.children)
        yield before + branch + _words(node, names, is_cut=is_cut)
        if is_cut:
            continue
        inner = before + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        last = len(node.children) - 1
        for number in range(last, -1, -1):
            mark = "└─ " if number == last else "├─ "
            waiting.append((node.children[number], inner, mark, level + 1))


def _words(node: Node, names: Mapping[str, str], *, is_cut: bool) -> str:
    others = ", ".join(names.get(who, "somebody") for who in node.others)
    more = f"; also by {others}" if others else ""
    hidden = f"  [{node.below} below]" if is_cut else ""
    return f"{node.name}  ({node.standing}{more}){hidden}"
