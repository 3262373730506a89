"""The structures of the Arrow C interfaces and the capsules they travel in, by ctypes.

Law of this file: memory layout, ownership of structs and capsules, nothing about what the arrays mean. A struct that
came in is moved into ours at once and released exactly once, when its `Owned` dies; a struct that goes out holds one
reference to everything it points at.

Sources: Arrow, "The Arrow C data interface", "The Arrow C stream interface", "The Arrow PyCapsule Interface".
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_char_p, c_int, c_int64, c_ssize_t, c_ubyte, c_void_p, py_object
from typing import Any, Final

from ..errors import InterfaceError


class ArrowSchema(ctypes.Structure):
    """struct ArrowSchema."""

    _fields_ = [
        ("format", c_char_p),
        ("name", c_char_p),
        ("metadata", c_void_p),
        ("flags", c_int64),
        ("n_children", c_int64),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ArrowArray(ctypes.Structure):
    """struct ArrowArray."""

    _fields_ = [
        ("length", c_int64),
        ("null_count", c_int64),
        ("offset", c_int64),
        ("n_buffers", c_int64),
        ("n_children", c_int64),
        ("buffers", c_void_p),
        ("children", c_void_p),
        ("dictionary", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class ArrowArrayStream(ctypes.Structure):
    """struct ArrowArrayStream."""

    _fields_ = [
        ("get_schema", c_void_p),
        ("get_next", c_void_p),
        ("get_last_error", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    ]


class _PyBuffer(ctypes.Structure):
    """struct Py_buffer, the same since CPython 3.3."""

    _fields_ = [
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    ]


FLAG_NULLABLE: Final = 2

RELEASE: Final = CFUNCTYPE(None, c_void_p)
GET: Final = CFUNCTYPE(c_int, c_void_p, c_void_p)  # get_schema and get_next
GET_LAST_ERROR: Final = CFUNCTYPE(c_void_p, c_void_p)

_CAPSULE_NAMES: Final[dict[type[ctypes.Structure], bytes]] = {
    ArrowSchema: b"arrow_schema",
    ArrowArray: b"arrow_array",
    ArrowArrayStream: b"arrow_array_stream",
}

_api: Final = ctypes.pythonapi
# Prototypes of our own: setting argtypes on pythonapi's shared function objects would change them for everybody.
_capsule_new: Final = ctypes.PYFUNCTYPE(py_object, c_void_p, c_char_p, c_void_p)(("PyCapsule_New", _api))
_capsule_pointer: Final = ctypes.PYFUNCTYPE(c_void_p, py_object, c_char_p)(("PyCapsule_GetPointer", _api))
_capsule_is_valid: Final = ctypes.PYFUNCTYPE(c_int, py_object, c_char_p)(("PyCapsule_IsValid", _api))
#: The same for a capsule that is being destroyed: it has no reference left to lend, so it is passed as an address.
_dying_pointer: Final = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(("PyCapsule_GetPointer", _api))
_dying_context: Final = ctypes.PYFUNCTYPE(c_void_p, c_void_p)(("PyCapsule_GetContext", _api))
_set_context: Final = ctypes.PYFUNCTYPE(c_int, py_object, c_void_p)(("PyCapsule_SetContext", _api))
_probe: Final = ctypes.PYFUNCTYPE(c_int)(("Py_IsInitialized", _api))
_incref: Final = ctypes.PYFUNCTYPE(None, py_object)(("Py_IncRef", _api))
_decref: Final = ctypes.PYFUNCTYPE(None, c_void_p)(("Py_DecRef", _api))
_get_buffer: Final = ctypes.PYFUNCTYPE(c_int, py_object, c_void_p, c_int)(("PyObject_GetBuffer", _api))
_release_buffer: Final = ctypes.PYFUNCTYPE(None, c_void_p)(("PyBuffer_Release", _api))


def pointers(address: int | None, count: int) -> list[int]:
    """The `count` pointers stored at an address, 0 for NULL."""
    if not address or count <= 0:
        return []
    return [pointer or 0 for pointer in (c_void_p * count).from_address(address)]


def memory(address: int, size_bytes: int, owner: object) -> memoryview:
    """The bytes at an address as a view that keeps `owner` alive."""
    if not address or size_bytes <= 0:
        return memoryview(b"")
    block = (c_ubyte * size_bytes).from_address(address)
    block.owner = owner  # type: ignore[attr-defined]
    return memoryview(block).cast("B").toreadonly()


def address_of(view: memoryview) -> int:
    """Where the bytes of a view lie. They stay there while the view is alive."""
    buffer = _PyBuffer()
    _get_buffer(view, ctypes.addressof(buffer), 0)
    address: int = buffer.buf or 0
    _release_buffer(ctypes.addressof(buffer))
    return address


class Owned:
    """A struct moved out of a capsule or filled by a producer; its release callback is called once, when this dies."""

    __slots__ = ("struct",)

    def __init__(self, struct: Any) -> None:
        self.struct = struct

    def release(self) -> None:
        """Call the producer's release callback unless that has been done."""
        callback, self.struct.release = self.struct.release, None
        if callback:
            # The callback finds itself in the struct it is given (docs: Release callback, "the released struct").
            self.struct.release = callback
            RELEASE(callback)(ctypes.addressof(self.struct))
            self.struct.release = None

    def __del__(self) -> None:
        self.release()


def move(capsule: object, kind: type[ctypes.Structure]) -> Owned:
    """The struct in a capsule, moved out of it: the capsule's own destructor then has nothing to release."""
    name = _CAPSULE_NAMES[kind]
    if not _capsule_is_valid(capsule, name):
        raise InterfaceError(
            f"the Arrow source gave {type(capsule).__name__} where a capsule '{name.decode()}' is wanted"
        )
    source: Any = kind.from_address(_capsule_pointer(capsule, name))
    if not source.release:
        raise InterfaceError(f"the Arrow capsule '{name.decode()}' has been consumed already")
    struct: Any = kind()
    ctypes.memmove(ctypes.addressof(struct), ctypes.addressof(source), ctypes.sizeof(kind))
    source.release = None
    return Owned(struct)


def _callback(work: Callable[[int], None]) -> Any:
    """`work` as a C callback that may be called while a Python exception is on its way, and is never freed.

    C code destroys objects while it unwinds (C++ and Rust destructors, Cython's locals), and ctypes does not put a
    pending exception aside: any call into Python's API would fail in the middle of the work. A call through
    PYFUNCTYPE raises what is pending, so the first one is made for that; the work is done without it, and then it is
    raised again for ctypes to print. ctypes offers no way to put it back: the person sees it on stderr, and a
    SystemError where it would have arrived.
    """

    def callback(address: int, probe: Any = _probe) -> None:
        pending: BaseException | None = None
        try:
            probe()
        except BaseException as exc:
            pending = exc
        work(address)
        if pending is not None:
            raise pending

    made = RELEASE(callback)
    _incref(made)  # a consumer may hold our arrays longer than this module lives
    return made


def _releaser(kind: type[ctypes.Structure]) -> Any:
    """The release callback of our own structs.

    Releases the children and the dictionary that were not moved out, and drops the reference in `private_data`.

    Everything it needs is bound here, because it may be called when the module is already being torn down.
    """
    nested = kind is not ArrowArrayStream

    def work(
        address: int,
        at: Any = kind.from_address,
        children: Any = pointers,
        release: Any = RELEASE,
        decref: Any = _decref,
    ) -> None:
        struct = at(address)
        if not struct.release:
            return
        for child in (*children(struct.children, struct.n_children), struct.dictionary or 0) if nested else ():
            callback = at(child).release if child else None
            if callback:
                release(callback)(child)
        held, struct.private_data, struct.release = struct.private_data, None, None
        decref(held)

    return _callback(work)


def _destructor(kind: type[ctypes.Structure]) -> Any:
    """The destructor of capsules of this kind.

    Releases the struct unless it was moved out, and drops the reference to its memory.
    """
    name = _CAPSULE_NAMES[kind]

    def work(
        capsule: int,
        at: Any = kind.from_address,
        pointer: Any = _dying_pointer,
        context: Any = _dying_context,
        release: Any = RELEASE,
        decref: Any = _decref,
    ) -> None:
        address = pointer(capsule, name)
        callback = at(address).release
        if callback:
            release(callback)(address)
        decref(context(capsule))

    return _callback(work)


_RELEASERS: Final[dict[type[ctypes.Structure], Any]] = {kind: _releaser(kind) for kind in _CAPSULE_NAMES}
_DESTRUCTORS: Final[dict[type[ctypes.Structure], Any]] = {kind: _destructor(kind) for kind in _CAPSULE_NAMES}


def arm(struct: Any, holder: object) -> None:
    """Make the struct keep `holder` alive until it is released."""
    _incref(holder)
    struct.private_data = id(holder)
    struct.release = ctypes.cast(_RELEASERS[type(struct)], c_void_p).value


def capsule(struct: Any) -> object:
    """A capsule of an armed struct, which lives as long as the capsule does."""
    kind = type(struct)
    made = _capsule_new(ctypes.addressof(struct), _CAPSULE_NAMES[kind], ctypes.cast(_DESTRUCTORS[kind], c_void_p))
    _incref(struct)
    _set_context(made, id(struct))
    return made
