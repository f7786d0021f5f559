"""Declares what lies beside the databases: files of the folder, lines of the log, and what is seen
and not kept."""

from __future__ import annotations

from typing import Final

from cloister.relay.disclosure.declaration import FOR_EVER, NEWEST, Kept, Line

_UNTIL_REMOVED: Final = "until the operator removes it"

FILES: Final = (
    Kept("relay.toml", "settings", FOR_EVER),
    Kept("relay.card", "the public card", FOR_EVER),
    Kept("keys/relay.key", "signs checkpoints, receipts and cards; opens nothing", FOR_EVER, True),
    Kept("keys/tls.key", "key of the listeners; no key of a past connection", FOR_EVER, True),
    Kept("keys/tls.crt", "certificate of the listeners", FOR_EVER),
    Kept("keys/shares.key*", "unwraps the scalars of unlock shares", "until the next erase", True),
    Kept("peers/*.card", "relays that this one works with", _UNTIL_REMOVED),
    Kept("codes/*", "hash of an activation code outside the books, by file name", FOR_EVER),
    Kept("data/relay.sqlite3*", "what devices stored, with its write-ahead log", "see its columns"),
    Kept("data/shares.sqlite3*", "unlock shares, with their journal", "see its columns"),
    Kept("clock", "when the operator said that the clock is right", NEWEST),
    Kept("begun", "that the relay has run", FOR_EVER),
    Kept("restored.json", "when the folder was made from a backup, of when", FOR_EVER),
    Kept("books/books.sqlite3*", "the operator's books, with their journal", "see its columns"),
    Kept("books/accounts.json", "what the relay reads of the books", NEWEST),
    Kept("books/lock", "empty", FOR_EVER),
    Kept("lock", "number of the process", NEWEST),
    Kept("log", "lines of the log, if the operator has them written here", _UNTIL_REMOVED),
)  # fmt: skip

LINES: Final = (
    Line("ready", ("role", "port"), "the relay listens"),
    Line("signal", ("name",), "the operator stops it"),
    Line("stopping", (), "it stops"),
    Line("stopped", (), "it has stopped"),
    Line("clock-file-in-force", ("ahead",), "a drill runs with another clock"),
    Line("storage-failed", ("cause",), "the disk failed"),
    Line("process-lost", ("status",), "a process beside the main one ended; it is started again"),
    Line("peers-not-read", ("cause",), "a card in peers/ is none"),
    Line("accounts-not-read", ("cause",), "books/accounts.json is damaged"),
    Line("expired", ("envelopes",), "envelopes aged out"),
    Line("clock-jumped-nothing-expires", ("by",), "the machine's clock jumped"),
    Line("clock-unconfirmed-nothing-expires", (), "no mirror has agreed with the clock yet"),
    Line("clock-differs-from-a-mirror", ("by",), "a mirror's clock shows another time"),
    Line("restored-asking-mirrors", ("logs",), "a restored home waits for what mirrors hold"),
    Line("restored-logs-adopted", ("entries",), "it has taken over what they held"),
    Line("restored-not-cosigned", ("logs",), "they have not signed all of that, and it goes on"),
    Line("mirror-lost", ("cause",), "the connection to a mirror broke"),
    Line("mirror-failed", ("cause", "line"), "a bug in the link to a mirror"),
    Line("mirror-refused", ("code",), "a mirror refused a push, or this mirror one"),
    Line("push-failed", ("cause", "line"), "a bug while a push was taken"),
    Line("callback-failed", ("cause", "line"), "a bug that nobody else heard of"),
    Line("request-failed", ("cause", "line"), "a bug while a request was taken"),
    Line("catching-up-failed", ("cause", "line"), "a bug, or the disk, while a device caught up"),
    Line("share-job-failed", ("cause", "line"), "a bug, or the disk, while shares were changed"),
    Line("share-answer-failed", ("cause", "line"), "a bug while an answer of the shares was given"),
    Line("shares-erased", ("shares",), "an erase of the log was carried out"),
)

SEEN: Final = (
    "An entry relay sees the address, time and volume of each connection while it lasts.",
    "An entry relay sees which home relay a connection goes to. It writes nothing of it down.",
    "A home relay sees which inbox, channels and circle a connection proves, to the packet.",
    "A home relay writes down the hour of each item, and not by whom; no address reaches it.",
    "Whoever changes the program, or records the network, can keep all of this from then on.",
)

CANNOT: Final = (
    "No name and no member is here: names and vouches are sealed under a key that no relay has.",
    "No text can be read: it is encrypted to the devices of a conversation, and padded.",
    "No address of the past is here.",
    "A handle leads to an account and an unlock share, not to the device's channels or its inbox.",
    "It leads to a circle through the account that the circle's code belongs to, or by an order.",
    "An unlock share opens nothing without the device, its PIN and the share of another relay.",
    "What has aged out or was erased is gone from these files, not from older copies of them.",
)
