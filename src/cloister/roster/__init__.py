"""Who belongs: the circle's log of entries, and the fold that derives members and devices from it.

``entry``, ``readable`` and ``genesis`` are the formats, ``content`` and ``join_request`` what
entries carry; ``roster`` is the members' fold, ``relay_fold`` the relays'; ``invitation`` and
``letter`` are what goes from hand to hand. Rules have ids, in ``rules``.

The specification is docs/spec/roster.md and docs/spec/invitation.md.
"""
