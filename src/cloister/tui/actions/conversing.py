"""Actions on conversations: open, find, change, leave."""

from __future__ import annotations

from cloister.client.inputs import ChangeConversation, LeaveConversation, OpenConversation
from cloister.errors import CloisterError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.folding import is_folded
from cloister.tui.talk import Choice, Talk
from cloister.tui.trust import label_of, trust_of_member

_WHO = (Choice("1", "everyone", "in the conversation"), Choice("2", "admins", "only"))


async def go(talk: Talk) -> None:
    """Go to another conversation."""
    views = await talk.device.conversations()
    views.sort(key=lambda view: (not view["unread"], str(view["title"]).casefold()))
    choices = [
        Choice(
            str(view["channel_id"]),
            words.shown_title(view),
            f"{view['unread']} unread" if view["unread"] else words.trust_of(view, ()),
        )
        for view in views
    ]
    talk.open(await talk.choose("Which conversation?", choices))


async def new(talk: Talk) -> None:
    """Open a conversation with one or more members."""
    names = await talk.choose_many("With whom?", await asking.members(talk))
    title = ""
    while True:
        title = await talk.ask_optional("What is it called? (nothing: by their names)", text=title)
        title = title or ", ".join(names)
        try:
            await asking.do(talk, OpenConversation(ref=0, title=title, members=names))
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            break
    found = [v for v in await talk.device.conversations() if v["title"] == title]
    if found:
        talk.open(str(found[-1]["channel_id"]))


async def search(talk: Talk) -> None:
    """Find texts that hold all the words, in every conversation, and go to one."""
    wanted = await talk.ask("Which words?")
    blocked = await asking.blocked(talk)
    found = [one for one in await talk.device.search(wanted) if not is_folded(one, blocked)]
    views = await talk.device.conversations()
    titles = {str(view["channel_id"]): words.shown_title(view) for view in views}
    if not found:
        talk.tell(f"No text holds: {wanted}")
        return
    choices = [
        Choice(
            f"{number}",
            f"{titles.get(one.channel_id.hex(), 'a former conversation')}: {words.name_of(one)}:",
            words.day_of(one.at),
            words.excerpt(one.text, 1),
        )
        for number, one in enumerate(found)
    ]
    picked = found[int(await talk.choose(f"{len(found)} found, the newest first", choices))]
    talk.open(picked.channel_id.hex(), picked.position)


async def who(talk: Talk) -> None:
    """Say who is in the conversation, who may do what, and how everybody stands."""
    channel, title = await asking.here(talk)
    view = next(v for v in await talk.device.conversations() if v["channel_id"] == channel)
    members = {str(m["name"]): m for m in await talk.device.members()}
    lines = [f"{title}: {len(view['members'])} people"]
    for name in view["members"]:
        member = members.get(name, {"name": name, "state": "active"})
        bot = "a bot" if label_of(member) in (view.get("bots") or ()) else ""
        notes = [bot, words.member_state(member), "admin" if name in view["admins"] else ""]
        extra = ", ".join(note for note in (*notes, trust_of_member(member)) if note)
        lines.append(f"  {label_of(member)}" + (f" ({extra})" if extra else ""))
    if view["changing"] == "admins":
        lines.append("Members and name are changed by admins only.")
    if view["posting"] == "admins":
        lines.append("Only admins post.")
    if view.get("lifetime_s"):
        lines.append(words.lifetime(int(view["lifetime_s"])).capitalize() + ".")
    talk.tell("\n".join(lines))


async def add(talk: Talk) -> None:
    """Bring members in; they read what comes from then on."""
    channel, title = await asking.here(talk)
    names = await talk.choose_many(f"Whom to bring into {title}?", await _not_inside(talk, channel))
    await asking.do(talk, ChangeConversation(ref=0, conversation=channel, add=names))
    talk.tell(f"In {title}: {', '.join(names)}.")


async def take_out(talk: Talk) -> None:
    """Take members out of the conversation; in the circle they stay."""
    channel, title = await asking.here(talk)
    names = await talk.choose_many(f"Whom to take out of {title}?", await _inside(talk, channel))
    await talk.confirm(
        f"{', '.join(names)} will read nothing more in {title}. What they have, they keep.",
        "take out",
    )
    await asking.do(talk, ChangeConversation(ref=0, conversation=channel, remove=names))
    talk.tell(f"Out of {title}: {', '.join(names)}.")


async def rename(talk: Talk) -> None:
    """Give the conversation another name, for everybody in it."""
    channel, title = await asking.here(talk)
    fresh = title
    while True:
        fresh = await talk.ask(f"What shall {title} be called?", text=fresh)
        try:
            await asking.do(talk, ChangeConversation(ref=0, conversation=channel, title=fresh))
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            break
    talk.tell(f"{title} is now called {fresh}.")


async def name_admin(talk: Talk) -> None:
    """Make members admins of the conversation."""
    channel, title = await asking.here(talk)
    names = await talk.choose_many(f"Who becomes admin of {title}?", await _inside(talk, channel))
    await asking.do(talk, ChangeConversation(ref=0, conversation=channel, admins_named=names))
    talk.tell(f"Admins of {title}: also {', '.join(names)}.")


async def drop_admin(talk: Talk) -> None:
    """Say that members are admins no more."""
    channel, title = await asking.here(talk)
    names = await talk.choose_many(
        f"Who is admin of {title} no more?", await _inside(talk, channel)
    )
    await asking.do(talk, ChangeConversation(ref=0, conversation=channel, admins_unnamed=names))
    talk.tell(f"Admins of {title} no more: {', '.join(names)}.")


async def rights(talk: Talk) -> None:
    """Say who brings members in, takes them out and renames."""
    channel, title = await asking.here(talk)
    value = await talk.choose(f"Who changes members and name of {title}?", _WHO)
    await asking.do(talk, ChangeConversation(ref=0, conversation=channel, changing=int(value)))
    talk.tell(f"{title} is changed by: {'admins only' if value == '2' else 'everyone in it'}.")


async def announce(talk: Talk) -> None:
    """Say who posts; with admins only it is for announcements."""
    channel, title = await asking.here(talk)
    value = await talk.choose(f"Who posts in {title}?", _WHO)
    await asking.do(talk, ChangeConversation(ref=0, conversation=channel, posting=int(value)))
    talk.tell(f"Posts in {title}: {'admins only' if value == '2' else 'everyone in it'}.")


async def part(talk: Talk) -> None:
    """Leave the conversation with all your devices."""
    channel, title = await asking.here(talk)
    await talk.confirm(
        f"You read nothing more in {title}, and somebody in it has to bring you back. What you have"
        " read stays with you. You stay in the circle.",
        "leave the conversation",
    )
    await asking.do(talk, LeaveConversation(ref=0, conversation=channel))
    talk.tell(f"You have left {title}.")


async def _inside(talk: Talk, channel: str) -> list[Choice]:
    own = await asking.own_name(talk)
    view = next(v for v in await talk.device.conversations() if v["channel_id"] == channel)
    return [Choice(str(name), str(name)) for name in view["members"] if name != own]


async def _not_inside(talk: Talk, channel: str) -> list[Choice]:
    inside = {choice.value for choice in await _inside(talk, channel)}
    return [choice for choice in await asking.members(talk) if choice.value not in inside]
