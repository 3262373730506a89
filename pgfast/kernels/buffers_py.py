"""The buffers of the pure codec: bytes from a socket cut into frames, and messages gathered for one.

Law of this file: the contract of both buffers stands here; the compiled ones are in `_codec.pyx`. The functions of
`_codec_py` write into a WriteBuffer's bytes directly, between its `begin` and `end`.

Source: PostgreSQL docs, "Message Formats".
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final, final

from .. import const
from ..errors import fault, faults
from ..errors.faults import buffer_misuse
from . import decode_py

HEAD: Final = 5  # tag and length word of a frame
_LITTLE: Final = 4096  # most bytes that `take_short` copies
FRAME: Final = Struct(">Bi")


@final
class ReadBuffer:
    """Bytes from a socket, handed out as frames and runs.

    One block of memory is filled by `get_buffer`/`commit` and read by `next_frame`/`take_run`. A block is never
    resized: where its tail is short, the unread bytes move to its front, or to a larger block when they fill more
    than half of it, so memory follows what has arrived and never what a length word announces. Length words below 4
    or beyond `max_message_size`, and beyond const.MAX_SHORT_MESSAGE in a message that is none of const.LONG_MESSAGES,
    are a ProtocolError and leave the buffer as it was.
    """

    __slots__ = ("_block", "_block_size", "_end", "_lent", "_max", "_start", "_whole")

    def __init__(self, block_size: int = const.READ_BLOCK_SIZE, max_message_size: int = const.MAX_MESSAGE_SIZE) -> None:
        if block_size < 16:
            raise buffer_misuse("block_size must be at least 16 bytes")
        self._block_size = block_size
        self._max = max_message_size
        self._block = bytearray(block_size)
        self._whole = memoryview(self._block)
        self._start = 0
        self._end = 0
        self._lent = False

    @property
    def pending(self) -> int:
        """Bytes that have arrived and were not taken yet."""
        return self._end - self._start

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """A writable view of the free tail, never empty; it and runs taken before, unless lent, die at the next one.

        `size_hint` is what asyncio passes and is not needed. Nobody may release the view: it may be the buffer's own.
        """
        unread = self._end - self._start
        if unread == 0 and not self._lent and len(self._block) <= 4 * self._block_size:
            self._start = self._end = 0
        elif self._lent or unread == 0 or len(self._block) - self._end < self._block_size // 4:
            self._make_room(unread)
        return self._whole[self._end :] if self._end else self._whole

    def _make_room(self, unread: int) -> None:
        rest = bytes(self._whole[self._start : self._end])
        if self._lent or unread == 0 or unread > len(self._block) // 2:
            self._block = bytearray(max(self._block_size, 2 * unread))
            self._whole = memoryview(self._block)
            self._lent = False
        self._whole[:unread] = rest
        self._start, self._end = 0, unread

    def commit(self, size_bytes: int) -> None:
        """Say that `size_bytes` were written to the start of the view `get_buffer` gave."""
        if not 0 <= size_bytes <= len(self._block) - self._end:
            raise buffer_misuse(f"commit of {size_bytes} bytes, {len(self._block) - self._end} were free")
        self._end += size_bytes

    def _limit(self, tag: int) -> int:
        """The greatest length word that a message with this tag may have."""
        return self._max if tag in const.LONG_MESSAGES else min(self._max, const.MAX_SHORT_MESSAGE)

    def _frame_length(self, start: int) -> int:
        """The whole length of the frame at `start`, tag included; 0 while its head is not complete."""
        if self._end - start < HEAD:
            return 0
        tag, length = FRAME.unpack_from(self._block, start)
        if length < 4:
            raise fault(faults.FAULT_FRAME_LENGTH, 1, -1, length)
        if length > self._max:
            raise fault(faults.FAULT_FRAME_SIZE, 1, -1, length)
        if length > const.MAX_SHORT_MESSAGE and tag not in const.LONG_MESSAGES:
            raise fault(faults.FAULT_FRAME_KIND, 1, -1, length)
        return 1 + int(length)

    def next_frame(self) -> tuple[int, bytes] | None:
        """The next complete frame as (tag, payload), the payload a copy; None while it is incomplete."""
        start = self._start
        length = self._frame_length(start)
        if length == 0 or self._end - start < length:
            return None
        self._start = start + length
        return self._block[start], bytes(self._whole[start + HEAD : start + length])

    @property
    def next_tag(self) -> int:
        """The tag of the frame that `next_frame` would give, -1 while it is incomplete."""
        length = self._frame_length(self._start)
        if length == 0 or self._end - self._start < length:
            return -1
        return self._block[self._start]

    def take_run(self, tag: int) -> tuple[bytearray, int, int, int] | None:
        """All complete consecutive frames of `tag` from here on, as (block, start, stop, count), or None.

        The bytes stay what they are until the next `get_buffer`; call `lend` to keep them longer. A frame with a bad
        length behind at least one good one is left for the next call to report.
        """
        at, count, most = self._start, 0, self._limit(tag)
        while self._end - at >= HEAD and self._block[at] == tag:
            length = FRAME.unpack_from(self._block, at)[1]
            if not 4 <= length <= most:
                if count == 0:
                    self._frame_length(at)
                break
            if self._end - at < 1 + length:
                break
            at += 1 + length
            count += 1
        if count == 0:
            return None
        start, self._start = self._start, at
        return self._block, start, at, count

    def lend(self) -> None:
        """Keep the block of the runs taken so far from being written again: the next `get_buffer` makes a new one."""
        self._lent = True


@final
class WriteBuffer:
    """Messages on their way to a socket, gathered in one block until `take`.

    A message is `begin(tag)`, any number of `put_*`, `end()`. A `put_*` or `end` that fails takes the whole open
    message back first, so the buffer always holds complete messages.
    """

    __slots__ = ("_data", "_length_at", "_message_at")

    def __init__(self, block_size: int = const.COPY_BLOCK_SIZE) -> None:
        if block_size < 16:
            raise buffer_misuse("block_size must be at least 16 bytes")
        self._data = bytearray()
        self._message_at = -1
        self._length_at = 0

    @property
    def size_bytes(self) -> int:
        """Bytes not taken yet, those of an open message included."""
        return len(self._data)

    def begin(self, tag: int) -> None:
        """Open a message; tag 0 stands for none (StartupMessage, SSLRequest, CancelRequest)."""
        if self._message_at >= 0:
            raise buffer_misuse("a message is open already")
        if not 0 <= tag <= 255:
            raise buffer_misuse(f"{tag} is not a tag")
        self._message_at = len(self._data)
        if tag:
            self._data.append(tag)
        self._length_at = len(self._data)
        self._data += bytes(4)

    def end(self) -> None:
        """Close the open message and write its length."""
        if self._message_at < 0:
            raise buffer_misuse("no message is open")
        length = len(self._data) - self._length_at
        if length > const.MAX_INT32:
            self._discard()
            raise fault(faults.FAULT_MESSAGE_SIZE, 0, -1)
        self._data[self._length_at : self._length_at + 4] = decode_py.I32.pack(length)
        self._message_at = -1

    def _discard(self) -> None:
        del self._data[self._message_at :]
        self._message_at = -1

    def _put_int(self, value: int, width: int) -> None:
        if self._message_at < 0:
            raise buffer_misuse("no message is open")
        bits = 8 * width
        if not -(1 << (bits - 1)) <= value < 1 << bits:
            self._discard()
            raise fault(faults.FAULT_VALUE_RANGE, 0, -1, value)
        self._data += (value & ((1 << bits) - 1)).to_bytes(width, "big")

    def put_i8(self, value: int) -> None:
        """Append one byte; -128 to 255."""
        self._put_int(value, 1)

    def put_i16(self, value: int) -> None:
        """Append two bytes, big-endian; -32768 to 65535."""
        self._put_int(value, 2)

    def put_i32(self, value: int) -> None:
        """Append four bytes, big-endian; -2147483648 to 4294967295."""
        self._put_int(value, 4)

    def _check_size(self, extra: int) -> None:
        if extra > const.MAX_INT32 - (len(self._data) - self._length_at):
            self._discard()
            raise fault(faults.FAULT_MESSAGE_SIZE, 0, -1)

    def put_bytes(self, value: Any) -> None:
        """Append the bytes of any buffer. A message that would be too long is refused before it is copied."""
        if self._message_at < 0:
            raise buffer_misuse("no message is open")
        view = memoryview(value)
        self._check_size(view.nbytes)
        self._data += view

    def put_cstr(self, value: bytes) -> None:
        """Append the bytes and a NUL; a NUL inside is a fault."""
        if self._message_at < 0:
            raise buffer_misuse("no message is open")
        self._check_size(len(value) + 1)
        if 0 in value:
            self._discard()
            raise fault(faults.FAULT_NUL, 0, -1, value)
        self._data += value
        self._data.append(0)

    def put_messages(self, messages: bytes) -> None:
        """Append whole messages that were made before; none may be open."""
        if self._message_at >= 0:
            raise buffer_misuse("a message is open already")
        self._data += messages

    def begin_copy(self) -> None:
        """Open a CopyData message."""
        self.begin(const.COPY_DATA)

    def end_copy(self) -> None:
        """Close the CopyData message; an empty one vanishes."""
        if self._message_at < 0:
            raise buffer_misuse("no message is open")
        if len(self._data) - self._length_at == 4:
            self._discard()
        else:
            self.end()

    def take(self) -> memoryview:
        """Everything gathered, given away for good; the buffer goes on in a fresh block."""
        if self._message_at >= 0:
            raise buffer_misuse("a message is still open")
        data, self._data = self._data, bytearray()
        return memoryview(data)

    def take_short(self) -> bytes | memoryview:
        """As `take`, but a copy, as bytes, where it is little: the block then goes on being used."""
        if len(self._data) > _LITTLE or self._message_at >= 0:
            return self.take()
        data = bytes(self._data)
        self._data.clear()
        return data
