"""What a signature is checked against where there is no object: keys and a log that nobody has.

Unknown, wrong and revoked then cost the same check and get the same answer.  No private half may be
known to anybody: a signature that fits where all others fail would tell a stranger that there is
nothing behind a name.  So both keys are hashes, and the point is the first that is on the curve.
"""

from __future__ import annotations

from typing import Final

from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import (
    ML_DSA_44_PUBLIC_LENGTH,
    HybridPublic,
)
from cloister.ids import CircleId, RelayId
from cloister.roster.governance import Governance
from cloister.roster.governance_state import keys_by_id
from cloister.roster.policy import default_policy
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.roster.share import UNSIGNED

LABEL: Final = b"Cloister 1.0 a key that nobody has"

NO_KEY: Final = bytes.fromhex("bddc4ccca9cc0ca52c06565621155b3c627a8e509d7c927d0ba759ceb122a8fa")
"""SHA-256 of the label and a zero byte: the first number for which it is a point of the curve."""
NO_HYBRID_KEY: Final = HybridPublic(
    ed25519=NO_KEY,
    ml_dsa_44=b"".join(sha256(LABEL, bytes([i])) for i in range(ML_DSA_44_PUBLIC_LENGTH // 32)),
)
_NO_RELAY: Final = RelayCard(
    relay_id=RelayId(bytes(32)),
    key=NO_HYBRID_KEY,
    tls_certificate=b"none",
    jurisdiction="",
    operator="",
    host="",
    port=0,
    mirror_host="",
    mirror_port=0,
    unlock_host="",
    unlock_port=0,
    roles=0,
    name="",
    self_signature=UNSIGNED,
)
NO_GOVERNANCE: Final = Governance(
    circle_id=CircleId(bytes(32)),
    policy=default_policy(),
    commons_commitment=bytes(32),
    steward_keys=keys_by_id((NO_HYBRID_KEY,)),
    officer_keys={},
    suspended={},
    relay_set=RelaySet(home=_NO_RELAY, entries=(_NO_RELAY,)),
    proposals={},
    locked={},
    unlocked_at={},
    erasures={},
    holds={},
    reset=None,
)
"""Of a log that does not exist: asked what a log is asked, it obeys nobody."""


def obeyed_key(governance: Governance, key_id: bytes) -> HybridPublic:
    """Return the key of a steward whom a log obeys, or the one that nobody has."""
    key = governance.steward_keys.get(key_id)
    is_obeyed = governance.obeys(key_id)
    return key if key is not None and is_obeyed else NO_HYBRID_KEY
