"""How a snapshot is written down: each entity's kind as its plain word, looked up again by that."""

from __future__ import annotations

import msgspec

from monitor.kinds import kind_of_part
from monitor.model import Kind, Snapshot, plain_word


def _kind(_: type[Kind], word: object) -> Kind:
    if not isinstance(word, str):
        raise TypeError(f"expected the word for a kind, found {type(word).__name__}")
    return kind_of_part(word)


encode_snapshot = msgspec.msgpack.Encoder(enc_hook=plain_word).encode
decode_snapshot = msgspec.msgpack.Decoder(Snapshot, dec_hook=_kind).decode
"""Raises msgspec.ValidationError for what is no snapshot."""
