"""The numbers RFC 9420 leaves to the application, fixed for Cloister (docs/spec/mls-profile.md)."""

from __future__ import annotations

from typing import Final

# Section 9.2: how far a sender may be ahead of what has been received from him. Each step costs
# three HMACs, so that a forged header costs milliseconds at most.
FORWARD_LIMIT: Final = 1000

# Section 9.2: keys of skipped generations kept per sender and kind, and for how long (seconds).
# Relays order envelopes, so late messages are rare and soon.
MAX_RETAINED_KEYS: Final = 64
RETAINED_KEY_LIFETIME_S: Final = 24 * 3600

# Proposals by reference kept in one epoch, and their bytes together: more is a flood. They are
# stored with every message.
MAX_PENDING_PROPOSALS: Final = 1024
MAX_PENDING_BYTES: Final = 4 << 20

# Section 8.4: pre-shared keys in one commit or Welcome. PSKLabel counts to 65,535; nobody needs so
# many, and each costs five HMACs before anything of the commit is confirmed.
MAX_PSKS: Final = 256

# Section 8.4: resumption pre-shared keys of past epochs kept.
MAX_RESUMPTION_PSKS: Final = 16

# Section 7.2: the longest lifetime of a KeyPackage that is accepted.
MAX_LIFETIME_S: Final = 366 * 24 * 3600

# Section 7.3: a commit may wait at a relay for as long as envelopes are kept, thirty days, and a
# day for clocks. Whoever comes late must still accept what the others did.
LIFETIME_SLACK_S: Final = 31 * 24 * 3600

# Section 5.1.1 leaves the size of a group open; Cloister promises a thousand devices. To decode a
# leaf costs six microseconds however little it says.
MAX_LEAVES: Final = 2048
# Section 4.1.2: the depth of such a tree, and what a node of the copath has below it at most.
MAX_PATH_NODES: Final = MAX_LEAVES.bit_length() - 1
MAX_RESOLUTION: Final = MAX_LEAVES // 2

# Section 12.4: proposals of one commit, and so pre-shared keys of one epoch. No fewer than there
# can be members to remove, and newcomers beside them.
MAX_PROPOSALS: Final = 1024 + 64

# Entries of a list that other software fills. All code points that are registered and all of GREASE
# (section 13.5) fit into capabilities. Leaves and KeyPackages have shorter lists of extensions,
# because a tree or a commit holds many. The limits are for each list and not for a message, so that
# what was accepted in parts, such as the leaves of a tree, is never refused as a whole.
MAX_CODE_POINTS: Final = 32
MAX_EXTENSIONS: Final = 32
MAX_MEMBER_EXTENSIONS: Final = 10
MAX_CERTIFICATES: Final = 4
MAX_EXTERNAL_SENDERS: Final = 64
