"""Every limit of the protocol: value, unit, reason, and who is harmed if it were larger."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

# --- content ---------------------------------------------------------------------------------

MAX_TEXT_BYTES: Final = 12_000
"""UTF-8 bytes of one text.  Fits the 16 KiB envelope with its heads; larger harms readers."""
MAX_NAME_BYTES: Final = 64
"""UTF-8 bytes of a person's or conversation's name.  Larger would break every list on screen."""

# --- envelopes and objects -------------------------------------------------------------------

ENVELOPE_SIZES: Final = (1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB)
"""The only sizes an envelope may have: what is in between would tell lengths to the relay."""
PART_BYTES: Final = 256 * KIB
"""One part of a staged object.  Larger parts would stall the other channels of a connection."""
MAX_PARTS: Final = 16
"""Parts of one object: 4 MiB, a ratchet tree of 1,000 devices.  Larger harms the relay's disk."""
MAX_STAGED_OBJECTS: Final = 34
"""Staged objects a channel or inbox may hold at once: a commit, a tree and 32 Welcomes."""
MAX_STAGED_BYTES: Final = 12 * KIB * KIB
"""Bytes of the staged objects of one channel or inbox; the rest is refused (disk)."""
KEPT_TREE_EPOCHS: Final = 32
"""Epochs for which the staged ratchet tree is kept after they ended: a newcomer who was away when
it was added must still get in.  More would let a member fill the disk with commits."""
STAGED_LIFETIME_S: Final = 3600
"""A staged object not named by then is dropped."""

# --- frames and sessions ---------------------------------------------------------------------

MAX_FRAME_BYTES: Final = 1024 * KIB
"""One WebSocket message.  A larger one would let a single peer hold more memory at the relay."""
MAX_FRAME_MESSAGES: Final = 256
"""Messages in one frame; bounds the work between two turns of the event loop."""
DELIVERY_WINDOW_BYTES: Final = 256 * KIB
"""Pushed but not yet ``Seen`` of one followed object; beyond it the relay stops reading from
storage.  Also what one connection is pushed in one turn of the event loop."""
DELIVERY_WINDOW_ITEMS: Final = 128
"""The same in items.  A device says ``Seen`` of an object at least every half window."""
STALLED_SESSION_S: Final = 30
"""A connection that takes nothing for this long is cut; its items stay in the channel."""
REPROVE_S: Final = 30
"""After a commit a session must prove the new epoch within this time (flows 4.2.5)."""
MAX_FOLLOWED_OBJECTS: Final = 256
"""Objects one connection may follow; bounds the relay's memory for it."""
CONNECT_TIMEOUT_S: Final = 10
"""A handshake; an unfinished one is cut (slowloris).  Also how long a device tries TCP."""
PATIENCE_S: Final = 60
"""A device that TCP has connected waits for the rest so long: after an outage the entry relay takes
a crowd one after another, and who gives up earlier only comes back to the end of the queue.  Not
longer: a path that dies after TCP stood is noticed only by this."""
UNPROVEN_SILENT_S: Final = 10
"""A connection that has proved nothing, and says nothing, is cut after this; strangers could else
hold every place of a relay, which does not know their addresses."""
UNPROVEN_S: Final = 60
"""No connection lives longer than this without a proof.  What needs none takes seconds."""
MAX_UNPROVEN_REQUESTS: Final = 64
"""Requests of a connection that has proved nothing.  Each may cost a check of a signature."""
IDLE_TIMEOUT_S: Final = 150
"""A connection without any message for this long is closed; devices ping every 60 s."""
PING_INTERVAL_S: Final = 60
MAX_CONNECTIONS_PER_ADDRESS: Final = 64
"""At the entry relay, which alone sees addresses."""

# --- retention -------------------------------------------------------------------------------

RETENTION_S: Final = 30 * 86_400
"""Envelopes are deleted by age only (flows 4.2.4); retries must end before."""
MAX_CHANNEL_BYTES: Final = 256 * KIB * KIB
"""Stored bytes of one channel before puts get QUOTA.  Commits pass: they are limited by rate."""
MAX_CIRCLE_BYTES: Final = 16 * KIB * KIB * KIB
"""Stored bytes of all channels of a circle before puts get QUOTA; the other circles of the relay
would be harmed."""
MAX_INBOX_ITEMS: Final = 4096
"""Welcomes one inbox holds before a commit that brings another gets QUOTA: a member could fill
the disk through it."""
QUOTA_RETRY_S: Final = 30
"""After how long a device asks again whether there is room, with one message."""

# --- rates -----------------------------------------------------------------------------------

COMMIT_BURST: Final = 5
COMMIT_INTERVAL_S: Final = 10
"""Commits of one channel: a burst, then one per interval (flows 4.2.3)."""
SEALED_APPEND_BURST: Final = 10
SEALED_APPEND_INTERVAL_S: Final = 1
"""Sealed entries of one circle: a burst, then one per interval (flows 2)."""
READABLE_APPEND_BURST: Final = 20
READABLE_APPEND_INTERVAL_S: Final = 1
"""Readable entries of one circle: exempt from the sealed rate, so that no member keeps a steward
waiting; but a stolen steward key must not fill the disks of the relays."""

# --- circle ----------------------------------------------------------------------------------

MAX_DEVICES: Final = 1000
"""Devices of a circle: the ratchet tree and a commit after a mass add grow with it."""
MAX_NEWCOMERS_PER_COMMIT: Final = 32
MAX_TREE_IN_WELCOME: Final = 32
"""Leaves up to which the ratchet tree travels inside the Welcome (notes-mls 8.26)."""
MAX_BOX_ITEMS: Final = 8
MAX_BOX_ITEM_BYTES: Final = 64 * KIB
MAX_KEY_PACKAGES: Final = 100
"""Key packages one inbox may pool; a device keeps about 20 there."""
MAX_KEY_PACKAGE_BYTES: Final = 8 * KIB
MAX_ENTRY_BYTES: Final = 64 * KIB
"""One log entry (a genesis with eight relay cards is below 40 KiB)."""
MAX_LOG_PAGE_BYTES: Final = 512 * KIB
"""Entries in one answer; the device asks again for the rest."""
MAX_CLOCK_SKEW_S: Final = 600
"""Relays refuse entries whose time is further from theirs (flows D2)."""
MAX_INVITE_LIFETIME_S: Final = 30 * 86_400

# --- seats -----------------------------------------------------------------------------------

SEAT_GRACE_S: Final = 14 * 86_400
"""After the end of a term everything works for so long (flows 5.3); longer harms the operator."""

# --- freshness -------------------------------------------------------------------------------

STALE_WARN_S: Final = 3600
"""Age of the newest cosignature that brings a warning (flows 4.1)."""
STALE_FORBID_S: Final = 24 * 3600
"""Age beyond which adding and opening are refused; reading and writing go on."""
