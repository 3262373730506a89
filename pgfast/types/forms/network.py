"""inet, cidr, macaddr and macaddr8.

Law of this file: IPv6 addresses are written as the server writes them, which Python does not: it began to show mapped
IPv4 addresses with dots in 3.13 only, and compatible ones never.

Sources: server: network.c (network_send, network_recv), inet_net_ntop.c, mac.c, mac8.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from struct import Struct
from typing import Any, Final

from ..coerce import to_str
from .form import Form, same, wants
from .reader import fields

_Address = IPv4Address | IPv6Address
_Interface = IPv4Interface | IPv6Interface
_Network = IPv4Network | IPv6Network
Inet = _Address | _Interface

_V4: Final = 2
_V6: Final = 3
_WORDS: Final = Struct(">8H")
_PREFIX: Final = re.compile(r"[0-9]{1,3}")
_SPACE: Final = " \t\n\v\f\r"
_INET: Final = "an address (ipaddress.IPv4Address, IPv4Interface, IPv6Address or IPv6Interface)"
_CIDR: Final = "a network (ipaddress.IPv4Network or IPv6Network)"


def _unpack(data: bytes, what: str) -> tuple[int, int, bytes]:
    """Family, prefix length and address of the wire form."""
    if len(data) < 4:
        raise ValueError(f"not {what}: its binary form ends too early")
    family, prefix, _, size = data[:4]
    if {_V4: 4, _V6: 16}.get(family) != size:
        raise ValueError(f"not {what}: its binary form is of no family of addresses")
    if len(data) != 4 + size or prefix > 8 * size:
        raise ValueError(f"not {what}: its binary form has a wrong length or prefix")
    return family, prefix, bytes(data[4:])


def _make_inet(family: int, prefix: int, packed: bytes) -> Inet:
    if family == _V4:
        return IPv4Address(packed) if prefix == 32 else IPv4Interface((packed, prefix))
    return IPv6Address(packed) if prefix == 128 else IPv6Interface((packed, prefix))


def _make_cidr(family: int, prefix: int, packed: bytes) -> _Network:
    try:
        return IPv4Network((packed, prefix)) if family == _V4 else IPv6Network((packed, prefix))
    except ValueError:
        raise ValueError("not a cidr: bits are set to the right of its prefix") from None


def _parse(text: str, what: str) -> tuple[int, int, bytes]:
    """Family, prefix length and address of the text form.

    Addresses that are cut short, such as 10.1/16, are refused: what they stand for differs by type and program.
    """
    word, slash, prefix = text.strip(_SPACE).partition("/")
    try:
        if "%" in word or (slash and not _PREFIX.fullmatch(prefix)):
            raise ValueError
        address: _Address = IPv6Address(word) if ":" in word else IPv4Address(word)
    except ValueError:
        raise ValueError(f"not {what} such as 192.168.0.1, 10.0.0.0/8 or 2001:db8::/32") from None
    bits = int(prefix) if slash else address.max_prefixlen
    if bits > address.max_prefixlen:
        raise ValueError(f"not {what}: its prefix is longer than the address")
    return _V4 if address.version == 4 else _V6, bits, address.packed


def parse_inet(text: str) -> Inet:
    """The address; the interface where the prefix is shorter than the address."""
    return _make_inet(*_parse(text, "an inet"))


def parse_cidr(text: str) -> _Network:
    """The network."""
    return _make_cidr(*_parse(text, "a cidr"))


def decode_inet(data: bytes) -> Inet:
    """As `parse_inet`, of the wire form."""
    return _make_inet(*_unpack(data, "an inet"))


def decode_cidr(data: bytes) -> _Network:
    """As `parse_cidr`, of the wire form."""
    return _make_cidr(*_unpack(data, "a cidr"))


def _parts(value: Any, what: str) -> tuple[int, int, bytes]:
    """Family, prefix length and address of any class of ipaddress."""
    if isinstance(value, _Network):
        return _V4 if value.version == 4 else _V6, value.prefixlen, value.network_address.packed
    if isinstance(value, _Address):  # an interface is an address
        if getattr(value, "scope_id", None) is not None:
            raise ValueError("the server's addresses have no scope; leave out % and what follows")
        prefix = value.network.prefixlen if isinstance(value, _Interface) else value.max_prefixlen
        return _V4 if value.version == 4 else _V6, prefix, value.packed
    raise wants(what, value)


def _inet_parts(value: Any) -> tuple[int, int, bytes]:
    return _parse(to_str(value), "an inet") if isinstance(value, str) else _parts(value, _INET)


def _cidr_parts(value: Any) -> tuple[int, int, bytes]:
    parts = _parse(to_str(value), "a cidr") if isinstance(value, str) else _parts(value, _CIDR)
    _make_cidr(*parts)
    return parts


def encode_inet(value: Any) -> bytes:
    """The wire form of any class of ipaddress or of the text form."""
    family, prefix, packed = _inet_parts(value)
    return bytes((family, prefix, 0, len(packed))) + packed


def encode_cidr(value: Any) -> bytes:
    """The wire form of a network, of an address or interface that is one, or of the text form."""
    family, prefix, packed = _cidr_parts(value)
    return bytes((family, prefix, 1, len(packed))) + packed


def _show(packed: bytes) -> str:
    """An address as the server writes it."""
    if len(packed) == 4:
        return ".".join(map(str, packed))
    words = _WORDS.unpack(packed)
    start, length = _longest_zeros(words)
    if start == 0 and (length == 6 or (length == 5 and words[5] == 0xFFFF)):
        return f"::{'' if length == 6 else 'ffff:'}{_show(packed[12:])}"
    shown = [f"{word:x}" for word in words]
    if length < 2:
        return ":".join(shown)
    return ":".join(shown[:start]) + "::" + ":".join(shown[start + length :])


def _longest_zeros(words: tuple[int, ...]) -> tuple[int, int]:
    """Where the longest run of zeros begins, the first of several, and its length."""
    best = (0, 0)
    start = 0
    for at, word in enumerate((*words, 1)):
        if word:
            if at - start > best[1]:
                best = (start, at - start)
            start = at + 1
    return best


def render_inet(value: Any) -> str:
    """The text form; without its prefix where that is as long as the address."""
    if isinstance(value, str):
        return to_str(value)
    _, prefix, packed = _parts(value, _INET)
    return _show(packed) if prefix == 8 * len(packed) else f"{_show(packed)}/{prefix}"


def render_cidr(value: Any) -> str:
    """The text form, always with its prefix."""
    if isinstance(value, str):
        return to_str(value)
    _, prefix, packed = _cidr_parts(value)
    return f"{_show(packed)}/{prefix}"


_MAC: Final = Struct(">6B")
_MAC8: Final = Struct(">8B")
_HEX: Final = "[0-9a-f]"
#: The forms mac.c reads, with the groups of digits each is made of.
_MAC_FORMS: Final = tuple(
    re.compile(pattern.replace("h", _HEX), re.ASCII | re.IGNORECASE)
    for pattern in (
        "(h{1,2}):(h{1,2}):(h{1,2}):(h{1,2}):(h{1,2}):(h{1,2})",
        "(h{1,2})-(h{1,2})-(h{1,2})-(h{1,2})-(h{1,2})-(h{1,2})",
        "(h{2})(h{2})(h{2})[:-](h{2})(h{2})(h{2})",
        r"(h{2})(h{2})\.(h{2})(h{2})\.(h{2})(h{2})",
        "(h{2})(h{2})-(h{2})(h{2})-(h{2})(h{2})",
        "(h{2})(h{2})(h{2})(h{2})(h{2})(h{2})",
    )
)
#: What mac8.c reads: 6 or 8 bytes, the same mark or none behind each.
_MAC8_FORM: Final = re.compile(
    rf"{_HEX}{{2}}(?:[:.-]?{_HEX}{{2}}){{5}}(?:(?:[:.-]?{_HEX}{{2}}){{2}})?", re.ASCII | re.IGNORECASE
)


def _encode_mac(value: Any) -> bytes:
    word = to_str(value).strip(_SPACE)
    for form in _MAC_FORMS:
        if match := form.fullmatch(word):
            return bytes([int(group, 16) for group in match.groups()])
    raise ValueError("not a macaddr such as 08:00:2b:01:02:03")


def _encode_mac8(value: Any) -> bytes:
    word = to_str(value).strip(_SPACE)
    marks = set(word) & set(":.-")
    if len(marks) > 1 or not _MAC8_FORM.fullmatch(word):
        raise ValueError("not a macaddr8 such as 08:00:2b:01:02:03:04:05")
    found = bytes.fromhex(word.replace(marks.pop(), "") if marks else word)
    return found if len(found) == 8 else found[:3] + b"\xff\xfe" + found[3:]


def _mac_decoder(layout: Struct, what: str) -> Callable[[bytes], str]:
    return lambda data: ":".join([f"{byte:02x}" for byte in fields(layout, data, what)])


INET: Final = Form(parse_inet, render_inet, decode_inet, encode_inet)
CIDR: Final = Form(parse_cidr, render_cidr, decode_cidr, encode_cidr)
MACADDR: Final = Form(same, to_str, _mac_decoder(_MAC, "macaddr"), _encode_mac)
MACADDR8: Final = Form(same, to_str, _mac_decoder(_MAC8, "macaddr8"), _encode_mac8)
