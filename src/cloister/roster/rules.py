"""Every rule of the roster: its id, its reason code, where it is checked, what it demands.

A rule is one of three sorts, by what follows when it is broken:

- ``BREAKS``   the log itself is wrong; nothing of the entry is taken, the device stops there;
- ``STOPS``    the program is too old to judge the entry; it stops there and asks for an update;
- ``IGNORES``  the entry stays in the log, is recorded with the rule's id, and changes nothing;
- ``WAITS``    a condition of admission or removal that later entries may still fulfil.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Outcome(Enum):
    """What follows when a rule is broken."""

    BREAKS = "breaks"
    STOPS = "stops"
    IGNORES = "ignores"
    WAITS = "waits"


class _Text(NamedTuple):
    rule_id: str
    code: str
    outcome: Outcome
    where: str
    demand: str


_B, _S, _I, _W = Outcome.BREAKS, Outcome.STOPS, Outcome.IGNORES, Outcome.WAITS


class Rule(Enum):
    """The table. ``where`` is ``module:function`` below ``cloister.roster``."""

    # One rule, its demand below it: a table, which the formatter would spread over 500 lines.
    # fmt: off
    # --- the log -------------------------------------------------------------------------------
    FORM = _Text("ROS-001", "malformed", _B, "form:read_entry",
        "an entry decodes exactly, is sealed or readable, and is at most 64 KiB long")
    VERSION = _Text("ROS-002", "unknown-version", _S, "form:read_entry",
        "the version is 1")
    CIRCLE = _Text("ROS-003", "wrong-circle", _B, "form:check_form",
        "circle_id is this circle's, and zero in the genesis only")
    SEQ = _Text("ROS-004", "wrong-seq", _B, "form:check_form",
        "seq is the size of the log before the entry")
    ROOT = _Text("ROS-005", "wrong-root", _B, "form:check_form",
        "root is the tree's root at size seq")
    TIME = _Text("ROS-006", "time-went-back", _B, "form:check_form",
        "ts is not smaller than that of the entry before")
    # --- genesis -------------------------------------------------------------------------------
    GENESIS_FORM = _Text("ROS-010", "genesis-form", _B, "genesis:read_genesis",
        "entry 0 is a readable genesis over the empty tree")
    GENESIS_SIGNATURE = _Text("ROS-011", "genesis-signature", _B, "genesis:read_genesis",
        "the genesis is signed by the steward key in it")
    GENESIS_RELAYS = _Text("ROS-012", "genesis-relays", _B, "relay_card:check_relay_set",
        "relay cards name their keys, are signed by them and keep the pair rule")
    GENESIS_POLICY = _Text("ROS-013", "genesis-policy", _S, "policy:unknown_in_policy",
        "the policy has known fields and values in range")
    GENESIS_FOUNDING = _Text("ROS-014", "genesis-founding", _B, "genesis:open_founding",
        "the founding opens under the log key committed to and is signed by the founder's "
        "device")
    GENESIS_COMMONS = _Text("ROS-015", "genesis-commons", _B, "genesis:open_founding",
        "the commons channel id fits its commitment")
    GENESIS_RECEIPTS = _Text("ROS-016", "genesis-receipts", _B, "genesis:open_founding",
        "the founder's receipts and seat term are those that the policy asks for")
    # --- sealed entries ------------------------------------------------------------------------
    OLD_GENERATION = _Text("ROS-020", "old-generation", _I, "fold:_open",
        "a sealed entry is not under a generation before the current one")
    FAR_GENERATION = _Text("ROS-021", "far-generation", _I, "fold:_open",
        "a sealed entry is at most one generation ahead")
    OPENS = _Text("ROS-022", "does-not-open", _I, "fold:_open",
        "a sealed entry opens under the log key of its generation")
    SEALED_FORM = _Text("ROS-023", "sealed-form", _I, "entry:open_sealed",
        "what is sealed decodes, and its padding is zeros to the next multiple of 256")
    LOG_KEY_FIRST = _Text("ROS-024", "log-key-first", _I, "fold:_apply_sealed",
        "the first valid entry of a generation is its log_key")
    AUTHOR = _Text("ROS-025", "author-not-active", _I, "fold:_apply_sealed",
        "the author is an active device of an active member")
    AUTHOR_SIGNATURE = _Text("ROS-026", "author-signature", _I, "fold:_apply_sealed",
        "the author's device key signed header, type and content")
    SEALED_TYPE = _Text("ROS-027", "unknown-sealed-type", _S, "fold:_apply_sealed",
        "the type of a sealed entry is known to this program")
    CONTENT = _Text("ROS-028", "content-form", _I, "fold:_apply_sealed",
        "the content decodes as its type says")
    VOID = _Text("ROS-029", "void-by-reset", _I, "fold:_open",
        "a sealed entry up to the one by which a reset of the commons took effect is under no "
        "generation above the reset's")
    # --- readable entries ----------------------------------------------------------------------
    READABLE_FORM = _Text("ROS-030", "readable-form", _I, "readable:read_body",
        "a readable body decodes and its lk_gen is 0")
    STEWARD_KEY = _Text("ROS-031", "unknown-steward-key", _I, "governance:_key_of",
        "a readable entry names a steward key of the circle")
    STEWARD_SIGNATURE = _Text("ROS-032", "steward-signature", _I, "governance:read",
        "both signatures of a readable entry verify")
    ONE_GENESIS = _Text("ROS-033", "second-genesis", _I, "governance:read",
        "there is one genesis")
    READABLE_TYPE = _Text("ROS-034", "unknown-readable-type", _S, "governance:read",
        "the type of a readable entry is known to this program")
    # --- invite --------------------------------------------------------------------------------
    INVITE_SUBJECT = _Text("ROS-040", "invite-subject", _I, "inviting:_check_subject",
        "an invitation is for nobody known, for its author's further device, or for the return "
        "of another member who belongs")
    INVITE_KEYS = _Text("ROS-041", "invite-keys", _I, "inviting:on_invite",
        "the key of an invitation is canonical and of large order")
    INVITE_NEW = _Text("ROS-042", "invite-not-new", _I, "inviting:on_invite",
        "the keys and the box of an invitation are new to the log")
    INVITE_LIFETIME = _Text("ROS-043", "invite-lifetime", _I, "inviting:on_invite",
        "an invitation ends after the entry's ts and at most 30 days later")
    INVITE_BUDGET = _Text("ROS-044", "invite-budget", _I, "inviting:on_invite",
        "a member has no more open invitations than the policy allows")
    INVITE_STEWARD = _Text("ROS-045", "invite-steward", _I, "inviting:on_invite",
        "an invitation hopes for a steward only while the circle is forming")
    # --- join_request --------------------------------------------------------------------------
    JOIN_CIRCLE = _Text("ROS-050", "join-circle", _I, "requesting:check_join_request",
        "a join request names this circle and a size the log has reached")
    JOIN_INVITE = _Text("ROS-051", "join-no-invite", _I, "requesting:check_join_request",
        "a join request names an invitation of this log")
    JOIN_OPEN = _Text("ROS-052", "join-invite-closed", _I, "requesting:check_join_request",
        "the invitation is neither over nor revoked; its inviter is active and needs no vouches")
    JOIN_USED = _Text("ROS-053", "join-invite-used", _I, "requesting:check_join_request",
        "nobody has been admitted on the invitation yet")
    JOIN_REPLAY = _Text("ROS-054", "join-replay", _I, "requesting:check_join_request",
        "a join request is appended once")
    JOIN_KEYS = _Text("ROS-055", "join-keys", _I, "requesting:check_join_request",
        "the newcomer's keys are canonical, of large order and well-formed")
    JOIN_NEW = _Text("ROS-056", "join-not-new", _I, "requesting:check_join_request",
        "the newcomer's member id, inbox and keys are new to the log")
    JOIN_INVITE_PROOF = _Text("ROS-057", "join-invite-proof", _I, "requesting:check_join_request",
        "the invitation's key signed the newcomer's own keys")
    JOIN_DEVICE_PROOF = _Text("ROS-058", "join-device-proof", _I, "requesting:check_join_request",
        "the newcomer's device key signed the request")
    JOIN_NAME = _Text("ROS-059", "join-name", _I, "requesting:check_join_request",
        "the name keeps the fixed form of names")
    JOIN_RECEIPTS = _Text("ROS-060", "join-receipts", _I, "requesting:check_join_request",
        "there is one valid receipt of each share relay, or none where the policy asks for none")
    CONTESTED = _Text("ROS-061", "contested", _W, "requesting:on_join_request",
        "an invitation carries one request; a second before admission contests both")
    # --- vouch and admission -------------------------------------------------------------------
    VOUCH_REQUEST = _Text("ROS-070", "vouch-no-request", _I, "admission:on_vouch",
        "a vouch names, by its hash, a join request of this log")
    VOUCH_CONTESTED = _Text("ROS-071", "vouch-contested", _I, "admission:on_vouch",
        "no vouch counts for a contested request")
    VOUCH_LATE = _Text("ROS-072", "vouch-after-admission", _I, "revouching:on_vouch_again",
        "a vouch comes before the admission, or for a member who needs vouches again")
    COUNT_MEMBERS = _Text("ROS-073", "one-per-member", _W, "admission:counted_vouches",
        "vouches are counted by members, one each, whatever device")
    COUNT_FRESH = _Text("ROS-074", "vouch-too-old", _W, "admission:counted_vouches",
        "a vouch counts as long as it is not older than the policy says")
    COUNT_ACTIVE = _Text("ROS-075", "voucher-not-active", _W, "admission:counted_vouches",
        "the voucher is active at the entry that admits")
    COUNT_PROBATION = _Text("ROS-076", "voucher-on-probation", _W, "admission:counted_vouches",
        "the voucher is past probation at the entry that admits")
    THRESHOLD = _Text("ROS-077", "too-few-vouches", _W, "admission:derive_admissions",
        "one vouch while forming, then as many as the policy says but not more than active "
        "members")
    VETO = _Text("ROS-078", "veto-time", _W, "admission:derive_admissions",
        "the veto time after the request has passed by log time")
    ORDER = _Text("ROS-079", "order-of-requests", _W, "admission:derive_admissions",
        "requests ready at one entry are judged in the order of their appending, each after "
        "the one before")
    FULL = _Text("ROS-081", "circle-full", _W, "admission:derive_admissions",
        "a circle has at most 1,000 active devices")
    # --- leaving and removal -------------------------------------------------------------------
    REMOVE_AUTHOR = _Text("ROS-090", "remove-not-steward", _I, "membership:on_remove",
        "a steward proposes a removal")
    REMOVE_SUBJECT = _Text("ROS-091", "remove-not-member", _I, "membership:on_remove",
        "the subject of a removal is a member who belongs")
    REMOVE_STEWARD = _Text("ROS-092", "remove-steward", _I, "membership:on_remove",
        "whoever holds an office is not removed by this entry")
    APPROVE_PROPOSAL = _Text("ROS-093", "approve-no-proposal", _I, "approving:on_approve",
        "an approval names, by its hash, what was proposed in this log and is still open")
    APPROVE_LAPSED = _Text("ROS-094", "proposal-lapsed", _I, "approving:on_approve",
        "a proposal lapses 7 days after it was made, by log time")
    APPROVE_OTHER = _Text("ROS-095", "approve-own", _I, "approving:on_approve",
        "proposer and approver are different members and neither is the subject")
    APPROVE_STEWARD = _Text("ROS-096", "approve-not-steward", _I, "approving:on_approve",
        "the approver is a steward; a removal may have another, where one steward is all there is")
    APPROVE_PROPOSER = _Text("ROS-097", "proposer-gone", _I, "approving:on_approve",
        "the proposer is still an active steward when the approval is made")
    LEAVE_STEWARD = _Text("ROS-098", "steward-leaves", _I, "membership:on_leave",
        "whoever holds an office does not leave before another entry has taken it")
    # --- log keys ------------------------------------------------------------------------------
    LOG_KEY_ONCE = _Text("ROS-100", "log-key-again", _I, "log_keys:on_log_key",
        "a log_key begins the next generation and is sealed under it")
    LOG_KEY_COMMITMENT = _Text("ROS-101", "log-key-commitment", _I, "log_keys:on_log_key",
        "the commitment is that of the key the entry is sealed under")
    LOG_KEY_WRAPS = _Text("ROS-102", "log-key-wraps", _I, "log_keys:on_log_key",
        "the wrapped key is the one the generation before committed to")
    LOG_KEY_BINDS = _Text("ROS-103", "log-key-binds", _I, "log_keys:on_log_key",
        "the key of a generation is derived from the key before it")
    # --- governance: readable entries ------------------------------------------------------------
    NOT_A_STEWARD = _Text("ROS-110", "not-a-steward", _I, "governance:_check_signer",
        "stewards sign readable entries; an officer a hold, and a set when stewards are silent")
    KEY_SUSPENDED = _Text("ROS-111", "key-suspended", _I, "governance:_key_of",
        "a suspended key signs nothing")
    APPROVE_NOTHING = _Text("ROS-112", "approves-nothing", _I, "governance:_on_approve",
        "a readable approval names an open proposal, erase or suspension")
    APPROVE_AGAIN = _Text("ROS-113", "approves-again", _I, "governance:_approve_proposal",
        "nobody approves what it proposed, approved, or is the subject of")
    REFUSE_NOTHING = _Text("ROS-114", "refuses-nothing", _I, "governance:_on_refuse",
        "a refusal withdraws one's own proposal, or stops an erase or a reset that waits")
    PROPOSALS_OPEN = _Text("ROS-115", "too-many-proposals", _I, "governance:_check_budget",
        "a key has at most 16 proposals that wait")
    SET_FORM = _Text("ROS-120", "set-form", _I, "governance_offices:on_steward_set",
        "a set names sound keys, each once, as steward or as officer")
    SET_SAME = _Text("ROS-121", "set-same", _I, "governance_offices:on_steward_set",
        "a set differs from the one in force")
    SET_BACKED = _Text("ROS-122", "set-backed", _W, "governance_offices:is_backed",
        "a set needs two thirds of the stewards who stay, two where there are two, T(n) of the "
        "new ones, and every new key; by officers two of them and silence of all stewards")
    SUSPEND_KEY = _Text("ROS-125", "suspend-key", _I, "governance_offices:on_steward_suspend",
        "a suspension names the key of another steward, or of an officer")
    SUSPEND_AGAIN = _Text("ROS-126", "suspend-again", _I,
        "governance_offices:on_steward_suspend",
        "what is suspended is not suspended again, and only that is lifted")
    SUSPEND_LAST = _Text("ROS-127", "suspend-last", _I, "governance_offices:on_steward_suspend",
        "a steward does not suspend the last other steward who is obeyed")
    RELAYS_FORM = _Text("ROS-130", "relays-form", _I, "governance_offices:on_relay_set",
        "a relay set keeps the rules of relay sets under the circle's policy")
    RELAYS_FORMER = _Text("ROS-132", "relays-former", _I, "governance_offices:_check_move",
        "another home is one that never was it, and the eighth change of home is the last")
    RELAYS_WITNESS = _Text("ROS-133", "relays-witness", _I, "governance_offices:_check_move",
        "a relay set with another home keeps an entry relay")
    ORDER_FORM = _Text("ROS-135", "order-form", _I, "governance_orders:reference_in",
        "the content of a readable entry decodes as its type says")
    LOCK_SIGNER = _Text("ROS-136", "lock-signer", _I, "governance_orders:on_order_lock",
        "a lock by a steward is signed by a key that is obeyed")
    LOCK_CIRCLE = _Text("ROS-137", "lock-circle", _I, "governance_orders:on_order_lock",
        "a lock names this circle and a size the log has reached")
    LOCK_OLD = _Text("ROS-138", "lock-old", _I, "governance_orders:on_order_lock",
        "a lock is newer than the last unlock of one of its targets")
    UNLOCK_ERASED = _Text("ROS-140", "unlock-erased", _I,
        "governance_orders:_check_not_erased",
        "nothing is unlocked while an erase of it waits, or afterwards")
    UNLOCK_CONSENT = _Text("ROS-141", "unlock-consent", _I,
        "governance_orders:_check_consents",
        "consents are one for each target, newer than its lock and its last unlock")
    ERASE_HELD = _Text("ROS-145", "erase-held", _I, "governance_orders:on_order_erase",
        "nothing is erased under a legal hold")
    ERASE_AGAIN = _Text("ROS-146", "erase-again", _I, "governance_orders:on_order_erase",
        "a share has one erase at a time, and none after it")
    PAUSE_ONCE = _Text("ROS-147", "pause-once", _I, "governance_orders:on_pause",
        "an erase that waits is paused once")
    HOLD_SCOPE = _Text("ROS-150", "hold-scope", _I, "governance_orders:on_hold",
        "a hold names handles for a member, a channel for a conversation, nothing for the circle")
    RELEASE_NOTHING = _Text("ROS-151", "releases-nothing", _I,
        "governance_orders:on_hold_release",
        "a release names a hold in force")
    RESET_CURRENT = _Text("ROS-155", "reset-current", _I, "governance_reset:on_channel_reset",
        "a reset names the present commons, and another channel as the new one; or it says again "
        "what takes effect with it")
    # --- further devices, returns, what is taken back ------------------------------------------
    INVITE_STANDING = _Text("ROS-170", "inviter-needs-vouches", _I, "inviting:on_invite",
        "who needs vouches again invites nobody")
    INVITE_REVOKE_OPEN = _Text("ROS-171", "invite-revoke-closed", _I, "inviting:on_invite_revoke",
        "an invite_revoke names an invitation of this log on which nobody came in yet")
    INVITE_REVOKE_AUTHOR = _Text("ROS-172", "invite-revoke-author", _I,
        "inviting:on_invite_revoke",
        "an invitation is revoked by its inviter or a steward")
    JOIN_SUBJECT = _Text("ROS-173", "join-subject", _I, "requesting:check_join_request",
        "the request for a further device or a return names the invitation's member")
    JOIN_SEAT = _Text("ROS-174", "join-seat", _I, "requesting:check_join_request",
        "there is a seat term of the home relay for the new device, or none where the policy "
        "has no seats or the circle has moved")
    VOUCH_CLOSED = _Text("ROS-175", "vouch-invite-revoked", _I, "admission:on_vouch",
        "nobody vouches for a request whose invitation was revoked")
    VOUCH_REVOKE_OPEN = _Text("ROS-176", "vouch-revoke-closed", _I, "admission:on_vouch_revoke",
        "a vouch is taken back while its request is open")
    VOUCH_REVOKE_OWN = _Text("ROS-177", "vouch-revoke-none", _I, "admission:on_vouch_revoke",
        "a vouch_revoke takes back the author's own vouch")
    COUNT_OTHERS = _Text("ROS-178", "vouch-for-self", _W, "admission:counted_vouches",
        "nobody vouches for a device of their own or for their own return")
    COUNT_STANDING = _Text("ROS-179", "voucher-needs-vouches", _W, "state:may_vouch",
        "the voucher needs no vouches at the entry that admits")
    DEVICE_OWNER = _Text("ROS-180", "device-owner", _W, "admission:_may_get_a_device",
        "a further device is for an active member who needs no vouches, a return for one who "
        "is neither out nor under a legal hold")
    DEVICE_VOUCH = _Text("ROS-181", "device-vouch", _W, "draft:needed_for",
        "a further device needs the vouch of one other member, where there is another")
    # --- compromise and new vouches ------------------------------------------------------------
    REMOVE_SINCE = _Text("ROS-185", "remove-since", _I, "membership:on_remove",
        "only a removal for compromise reaches back, to an entry before itself")
    APPROVE_OFFICE = _Text("ROS-186", "approve-office", _I, "approving:_subject_of",
        "the subject has come to no office since the proposal")
    REVOUCH_VOUCHER = _Text("ROS-187", "revouch-voucher", _I, "revouching:on_vouch_again",
        "who vouches again is another active member, past probation, who needs no vouches")
    REVOUCH_TWICE = _Text("ROS-188", "revouch-twice", _I, "revouching:on_vouch_again",
        "a member counts once among the vouches behind another")
    # --- suspension ----------------------------------------------------------------------------
    SUSPEND_AUTHOR = _Text("ROS-190", "suspend-not-steward", _I, "suspension:on_suspend",
        "a steward suspends")
    SUSPEND_SUBJECT = _Text("ROS-191", "suspend-subject", _I, "suspension:on_suspend",
        "the subject belongs and is not suspended by a steward already")
    SUSPEND_STEWARD = _Text("ROS-192", "suspend-steward", _I, "suspension:on_suspend",
        "whoever holds an office is suspended by a readable entry")
    REINSTATE_AUTHOR = _Text("ROS-193", "reinstate-not-steward", _I, "suspension:on_reinstate",
        "a steward reinstates")
    REINSTATE_SUBJECT = _Text("ROS-194", "reinstate-subject", _I, "suspension:on_reinstate",
        "the subject is suspended by a sealed entry")
    # --- offices and policy --------------------------------------------------------------------
    KEY_NEW = _Text("ROS-200", "steward-key-known", _I, "office:on_steward_key",
        "an announced steward key is new to the log")
    KEY_COUNT = _Text("ROS-201", "steward-key-many", _I, "office:on_steward_key",
        "a member announces at most 8 steward keys")
    KEY_PROOF = _Text("ROS-202", "steward-key-proof", _I, "office:on_steward_key",
        "an announced steward key is well-formed and signed the did that announces it")
    POLICY_AUTHOR = _Text("ROS-203", "policy-not-steward", _I, "policy_change:on_policy",
        "a steward proposes a policy")
    POLICY_RANGE = _Text("ROS-204", "policy-range", _I, "policy_change:on_policy",
        "a proposed policy is one that a genesis might have")
    POLICY_FIXED = _Text("ROS-205", "policy-fixed", _I, "policy_change:on_policy",
        "a proposed policy leaves as it is what relays act on: flags but those of exports and "
        "cover, shares, seats and delays")
    # --- devices: lost, seated, erased ---------------------------------------------------------
    REVOKE_OWN = _Text("ROS-210", "revoke-not-own", _I, "revoking:on_device_revoke",
        "a device is revoked by a device of the same member")
    REVOKE_SELF = _Text("ROS-211", "revoke-self", _I, "revoking:on_device_revoke",
        "a device does not call itself lost")
    REVOKE_AGAIN = _Text("ROS-212", "revoke-again", _I, "revoking:on_device_revoke",
        "the device is not retired, and not called lost a second time")
    CONSENT = _Text("ROS-213", "unlock-not-owner", _I, "readable_acts:_is_consented",
        "an owner's consent to an unlock is the owner's, who is not the steward, and newer than "
        "its word that the device is lost")
    SEAT_POLICY = _Text("ROS-215", "seat-none", _I, "seats:on_seat",
        "the circle has seats, or has moved to a home that may sell them")
    SEAT_HOME = _Text("ROS-216", "seat-home", _I, "seats:on_seat",
        "the home relay signed the seat term")
    SEAT_GROWS = _Text("ROS-217", "seat-grows", _I, "seats:on_seat",
        "a seat entry lengthens the term of at least one device of the log, and shortens none")
    SHARES_RECEIPTS = _Text("ROS-218", "shares-receipts", _I, "share_renewal:on_shares",
        "a shares entry brings a valid receipt of each share relay where the device has none")
    SHARES_NEW = _Text("ROS-219", "shares-new", _I, "share_renewal:on_shares",
        "the handles of a shares entry are new to the log")
    OBJECTION_ORDER = _Text("ROS-220", "objection-order", _I, "erasing:on_objection",
        "an objection names an erase that can still be stopped")
    OBJECTION_AGAIN = _Text("ROS-221", "objection-again", _I, "erasing:on_objection",
        "a member objects to an erase once")
    ERASED_ORDER = _Text("ROS-222", "erased-order", _I, "erasing:on_erase_receipt",
        "a receipt of an erasure names an erase that relays were to carry out")
    ERASED_TARGET = _Text("ROS-223", "erased-target", _I, "erasing:on_erase_receipt",
        "the erased share is one that the erase names, of a device of the log")
    ERASED_RELAY = _Text("ROS-224", "erased-relay", _I, "erasing:on_erase_receipt",
        "the relay that kept the share signed the receipt, and is one of the circle's")
    ERASED_AGAIN = _Text("ROS-225", "erased-again", _I, "erasing:on_erase_receipt",
        "a share is erased once")
    SHARES_HELD = _Text("ROS-226", "shares-held", _I, "share_renewal:on_shares",
        "whoever is under a legal hold brings no other shares")
    EXPORT_REFUSED = _Text("ROS-230", "export-refused", _I, "exporting:on_export",
        "where the policy refuses exports, a device takes out nothing but a sealed backup")
    # fmt: on

    @property
    def rule_id(self) -> str:
        """``ROS-nnn``."""
        return self.value.rule_id

    @property
    def code(self) -> str:
        """The reason code: a stable word for logs and ``--json``."""
        return self.value.code

    @property
    def outcome(self) -> Outcome:
        """What follows when the rule is broken."""
        return self.value.outcome

    @property
    def where(self) -> str:
        """``module:function`` below ``cloister.roster``."""
        return self.value.where

    @property
    def demand(self) -> str:
        """What the rule demands, as a sentence without its full stop."""
        return self.value.demand
