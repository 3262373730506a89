"""A mutator that knows messages: one is changed, doubled, moved or left out, and its length word is put right.

libFuzzer's own mutations come in between, for the bytes inside and for the lengths themselves.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Final

#: Gives mutated bytes of at most this size (atheris.Mutate).
Mutate = Callable[[bytes, int], bytes]

_HEAD: Final = 5
_TAGS: Final = b"RK23CdcGHWDIEVvnNAtS1sZT"


def split(stream: bytes) -> list[bytes]:
    """The messages of a stream; what cannot be one is one piece at its end."""
    found, at = [], 0
    while at < len(stream):
        end = at + 1 + struct.unpack_from(">i", stream, at + 1)[0] if len(stream) - at >= _HEAD else 0
        if not at + _HEAD <= end <= len(stream):
            found.append(stream[at:])
            break
        found.append(stream[at:end])
        at = end
    return found


def message(tag: int, payload: bytes) -> bytes:
    """One message, whose length is right."""
    return bytes((tag,)) + struct.pack(">i", 4 + len(payload)) + payload


def messages(head: int, mutate: Mutate) -> Callable[[bytes, int, int], bytes]:
    """The mutator of a stream behind so many bytes of choices."""

    def changed(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if len(data) <= head or dice.random() < 0.3:
            return mutate(data, most)
        pieces = split(data[head:])
        at = dice.randrange(len(pieces))
        how = dice.randrange(8)
        if how < 4 and len(pieces[at]) >= _HEAD:
            payload = (
                mutate(pieces[at][_HEAD:], max(most - len(data), 1) + len(pieces[at])) if pieces[at][_HEAD:] else b"\0"
            )
            pieces[at] = message(pieces[at][0], payload)
        elif how == 4:
            pieces.insert(dice.randrange(len(pieces) + 1), pieces[at])
        elif how == 5:
            del pieces[at]
        elif how == 6:
            pieces.insert(at, message(dice.choice(_TAGS), pieces[at][_HEAD:]))
        else:
            other = dice.randrange(len(pieces))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        return (data[:head] + b"".join(pieces))[:most]

    return changed
