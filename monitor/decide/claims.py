"""What answers say that is not believed yet: in how many polls in a row they claimed it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import xxhash

from monitor.model import Claim, Entity

CONFIRMED_BY = 3
"""Polls in a row that have to agree."""

Key = tuple[str, str]
"""What parts are matched by: kind and id."""


def key_of(part: Entity) -> Key:
    """Return what a part is matched by."""
    return part.kind, part.id


def hash_of(*values: object) -> int:
    """Return the same for equal plain values, in every process; never 0 or 1."""
    return xxhash.xxh32_intdigest(msgspec.msgpack.encode(values)) | 2


MISSING, PRESENT = 0, 1
"""What a claim can say beside a hash: that something is there, or is not."""


class ClaimBook:
    """The claims of the poll before, and those of this one as they are made."""

    def __init__(self, before: Iterable[Claim]) -> None:
        self._before = {(claim.kind, claim.id, claim.is_older): claim for claim in before}
        self.made: list[Claim] = []

    def add(self, key: Key, says: int, *, of: int, is_older: bool = False) -> bool:
        """Note what this poll says of a part; whether enough polls in a row have said it (`of`)."""
        before = self._before.get((*key, is_older))
        polls = before.polls + 1 if before is not None and before.says == says else 1
        if polls < of:
            self.made.append(Claim(str(key[0]), key[1], says, polls, is_older))
        return polls >= of

    def keep(self) -> None:
        """Let all but the older ones stand: this poll says nothing of them."""
        self.made.extend(claim for claim in self._before.values() if not claim.is_older)
