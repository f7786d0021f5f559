"""The stored form of a whole group in one value: for a commit that waits, and for files."""

from __future__ import annotations

from collections.abc import Mapping

from cloister.codec import Struct, layout, opaque, vector
from cloister.crypto.secret import Secret
from cloister.mls.errors import Malformed
from cloister.mls.secret_field import secret


@layout
class StoredRecord(Struct):
    """A ratchet record with its key."""

    key: bytes = opaque()
    value: Secret = secret()


@layout
class StoredGroup(Struct):
    """Both parts; the records in order of their keys, so that a state has one encoding."""

    epoch_state: Secret = secret()
    ratchet_records: tuple[StoredRecord, ...] = vector(StoredRecord)

    @classmethod
    def of(cls, epoch_state: bytes, records: Mapping[bytes, bytes]) -> StoredGroup:
        """The form to store."""
        return cls(
            epoch_state=Secret(epoch_state),
            ratchet_records=tuple(
                StoredRecord(key=key, value=Secret(records[key])) for key in sorted(records)
            ),
        )

    def records(self) -> dict[bytes, bytes]:
        """The records by key. Raises Malformed when they are not in order."""
        records = {one.key: one.value.expose() for one in self.ratchet_records}
        if [one.key for one in self.ratchet_records] != sorted(records):
            raise Malformed("ratchet records are not in order")
        return records
