"""OIDs -> codec plans, decided once and kept until something they are made from changes.

Law of this file: the one place where a type's OID becomes a spec. A Registry is one level (the process, a connection, a
cursor) over wider ones; its `rules` are what all of them say together at this moment, with the plans made from it.
Every change takes the next number of a clock, so one comparison tells whether rules still hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from struct import pack
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from .. import const
from ..codec import Plan
from ..errors import DataError
from ..kernels.decode_py import MAX_NESTING
from .builtins import BY_OID
from .catalogue import TypeInfo
from .classes import text_parameter
from .coerce import to_int, to_integer
from .discovery import CHANGES, Lookups
from .policies import any_text, takes_text
from .reading import Parser, decode_spec, reads_binary, text_parser
from .registration import (
    Dump,
    Level,
    Registration,
    Said,
    TypeKey,
    by_composite,
    by_enum,
    by_functions,
    keys_of,
    type_key,
)
from .render import render_any
from .writing import Renderer, encode_spec, renderer, writes_binary

if TYPE_CHECKING:
    from ..codec import Spec
    from .policies import Policies

_Key = TypeVar("_Key")
_Made = TypeVar("_Made")

#: Plans kept of each sort; a program has as many as it has statements. When full, the oldest goes.
_KEPT: Final = 1024
#: In which form of its own a parameter goes: as text, or as bytes that a function of the program's gives.
AS_TEXT: Final = 1
AS_BYTES: Final = 2
_TEXT_OIDS: Final = frozenset((const.OID_TEXT, const.OID_UNKNOWN))


class ResultField(Protocol):
    """What a plan needs of a RowDescription field; `format` is a format code."""

    @property
    def type_oid(self) -> int: ...
    @property
    def format(self) -> int: ...


class UnknownInRecord(DataError):
    """A record holds values of types that have not been looked up; `oids` are these."""

    oids: tuple[int, ...] = ()


class Rules:
    """What is known and said about types at one moment: plans for parameters and results, each made once.

    Types that are not known (`unknown`) must be looked up first; where that cannot be they are text. One execution
    goes by one Rules from its beginning to its end: what was asked for in binary is read as binary, although another
    connection of the process may forget or alter types meanwhile.
    """

    __slots__ = (
        "_encode_plans",
        "_formats",
        "_known",
        "_record_plans",
        "_row_plans",
        "_said",
        "_take_text",
        "dumps",
        "info",
    )

    def __init__(self, said: Said, info: Callable[[int], TypeInfo | None]) -> None:
        self._said = said
        #: The type of an OID, None where it is not known yet.
        self.info = info
        self._take_text = any_text(said.policies)
        #: Whether parameters of some class are written by a function of the program's.
        self.dumps = bool(said.dumps)
        self._formats: dict[tuple[int, ...], bytes] = {}
        self._known: set[tuple[int, ...]] = set()
        self._encode_plans: dict[tuple[tuple[int, ...], tuple[int, ...], bool], Plan] = {}
        self._row_plans: dict[tuple[tuple[int, int], ...], Plan] = {}
        self._record_plans: dict[tuple[int, ...], Plan] = {}

    @property
    def policies(self) -> Policies:
        """The policies of all levels together."""
        return self._said.policies

    def decoding(self, info: TypeInfo) -> Registration | None:
        """The registration by which values of this type are read."""
        return self._said.decoding(info)

    def encoding(self, info: TypeInfo) -> Registration | None:
        """The registration by which values of this type are written."""
        return self._said.encoding(info)

    def dump_of(self, value: Any) -> Dump | None:
        """How the program writes parameters of this value's class, None where it does not."""
        dumps = self._said.dumps
        if not dumps or value is None:
            return None
        for cls in type(value).__mro__:
            found = dumps.get(cls) or dumps.get(f"{cls.__module__}.{cls.__qualname__}")
            if found is not None:
                return found
        return None

    def unknown(self, oids: Iterable[int]) -> list[int]:
        """The OIDs of types that must be looked up before anything is planned with them."""
        key = tuple(oids)
        if key in self._known:
            return []
        missing = sorted({oid for oid in key if oid and self.info(oid) is None})
        if not missing:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known.add(key)
        return missing

    def type_name(self, oid: int) -> str:
        """The name to write in a cast: `integer`, `date[]`; `type with OID n` where the type is not known."""
        info = self.info(oid)
        return f"type with OID {oid}" if info is None else info.sql

    # ------------------------------------------------------------ reading

    def result_formats(self, oids: Sequence[int]) -> bytes:
        """The result format codes of a Bind, int16 each: binary wherever the type has a binary form we read."""
        key = tuple(oids)
        return _kept(self._formats, key, lambda: pack(f">{len(key)}h", *[self._format(oid) for oid in key]))

    def _format(self, oid: int) -> int:
        return const.BINARY if self.reads_binary(oid) else const.TEXT

    def reads_binary(self, oid: int) -> bool:
        """Whether values of this type are asked for in binary."""
        info = self.info(oid)
        if self._said.policies.results != "binary":
            return False
        return info is not None and info.depth <= MAX_NESTING and reads_binary(info, self)

    def row_plan(self, fields: Sequence[ResultField]) -> Plan:
        """The plan of a result's rows, each field in the format its description says."""
        key = tuple([(field.type_oid, field.format) for field in fields])
        return _kept(self._row_plans, key, lambda: Plan([self.decode_spec(oid, code) for oid, code in key]))

    def record_plan(self, oids: Sequence[int]) -> Plan:
        """The plan of an anonymous record's fields, whose types only the record itself tells.

        Raises DataError for a field that cannot be read: its type has not been looked up, or it travels as text only.
        """
        key = tuple(oids)
        return _kept(self._record_plans, key, lambda: Plan([self._field_spec(oid, key) for oid in key]))

    def _field_spec(self, oid: int, oids: tuple[int, ...]) -> Spec:
        info = self.info(oid)
        if info is None:
            refused = UnknownInRecord(
                f"the record holds a value of the type with OID {oid}, which has not been looked up yet; load it first "
                'by conn.types.load("name"), or cast the field to text in the query'
            )
            refused.oids = tuple(self.unknown(oids))
            raise refused
        if not self.reads_binary(oid):
            raise DataError(
                f"the record holds a value of type {info.sql}, which is read from text only; "
                "cast the field, or the record, to text in the query"
            )
        return decode_spec(info, self)

    def decode_spec(self, oid: int, format_code: int) -> Spec:
        """How a field of this type and format code is read; of a type that is not known it is the text, or the bytes
        of a binary cursor."""
        info = self.info(oid)
        if format_code != const.BINARY:
            return (const.KIND_TEXT_CALL, 0, None if info is None else text_parser(info, self), ())
        if info is None or not self.reads_binary(oid):
            return (const.KIND_CALL, 0, None, ())
        return decode_spec(info, self)

    def text_parser(self, oid: int) -> Parser | None:
        """The function that reads this type's text form, None where the text is the value."""
        info = self.info(oid)
        return None if info is None else text_parser(info, self)

    # ------------------------------------------------------------ writing

    def encode_plan(self, oids: Sequence[int], texts: Sequence[int] = (), integers: bool = False) -> Plan:
        """The plan of a statement's parameters; `texts` says which go in a form of their own (AS_TEXT, AS_BYTES).

        With `integers` a parameter that is an integer takes no float or Decimal, a whole one neither: 5 / 2.0 is 2.5.
        """
        key = tuple(oids), tuple(texts), integers
        return _kept(self._encode_plans, key, lambda: self._encode_plan(*key))

    def _encode_plan(self, oids: tuple[int, ...], texts: tuple[int, ...], integers: bool) -> Plan:
        return Plan(
            [
                self._given_spec(text) if text else self.parameter_spec(oid, at + 1, integers)
                for at, (oid, text) in enumerate(zip(oids, texts or (0,) * len(oids), strict=True))
            ]
        )

    def _given_spec(self, form: int) -> Spec:
        """How a parameter goes that is sent in a form of its own: as text, or as bytes of the program's."""
        if form == AS_BYTES:
            return (const.KIND_CALL, 0, lambda value: self._said_dump(value).wire(value), ())
        return (const.KIND_TEXT_CALL, 0, self._as_text, ())

    def _said_dump(self, value: Any) -> Dump:
        found = self.dump_of(value)
        assert found is not None, "that is why it goes so"
        return found

    def _as_text(self, value: Any) -> str | None:
        found = self.dump_of(value) if self._said.dumps else None
        return render_any(value) if found is None else found.text(value)

    @property
    def adapts(self) -> bool:
        """Whether a value that does not fit what the server takes it for may go as what it is."""
        return self.policies.parameters == "adapted"

    @property
    def takes_text(self) -> bool:
        """Whether a str may be sent as text for a parameter of another type, so that values decide on the plan."""
        return self._take_text

    def open_records(self, oids: Sequence[int]) -> bool:
        """Whether values of these types may be records, or hold them, whose types only the value itself tells."""
        return any(_holds_record(self.decode_spec(oid, const.BINARY)) for oid in oids)

    def texts(self, oids: Sequence[int], params: Sequence[Any]) -> tuple[bool, ...]:
        """Which parameters are str that go as text though their type is another; () for none, as in strict mode."""
        if not self._take_text or len(oids) != len(params):
            return ()
        found = tuple([type(value) is str and self._takes_text(oid) for oid, value in zip(oids, params, strict=True)])
        return found if True in found else ()

    def _takes_text(self, oid: int) -> bool:
        info = self.info(oid)
        return self.may_take_text(oid) and info is not None and takes_text(self.policies, info.kind)

    def may_take_text(self, oid: int) -> bool:
        """Whether text may go to this type as it is, for the server to read: no function of the program writes it."""
        info = self.info(oid)
        if info is None or oid in _TEXT_OIDS:
            return False
        registered = self.encoding(info)
        return registered is None or registered.cls is not None

    def encode_spec(self, oid: int) -> Spec | None:
        """How a value is written in binary for this type, None where it is written as text."""
        info = self.info(oid)
        if info is None or info.depth > MAX_NESTING or not writes_binary(info, self):
            return None
        return encode_spec(info, self)

    def renderer(self, oid: int) -> Renderer:
        """The function from a value that is not None to its text form for this type, None for NULL."""
        info = self.info(oid)
        return render_any if info is None else renderer(info, self)

    def parameter_spec(self, oid: int, number: int, integers: bool = False) -> Spec:
        """How the value of `$number` is written; see `encode_plan` for `integers`.

        The cast to write is in the error where the server took it for text.
        """
        info = self.info(oid)
        if oid in _TEXT_OIDS and (info is None or self.encoding(info) is None):
            return (const.KIND_STR, 0, text_parameter(number), ())
        spec = self.encode_spec(oid) or (const.KIND_TEXT_CALL, 0, self.renderer(oid), ())
        return (*spec[:2], to_integer, *spec[3:]) if integers and spec[2] is to_int else spec


def _holds_record(spec: Spec) -> bool:
    return spec[0] == const.KIND_RECORD or any(map(_holds_record, spec[3]))


def _kept(made: dict[_Key, _Made], key: _Key, make: Callable[[], _Made]) -> _Made:
    found = made.get(key)
    if found is None:
        if len(made) >= _KEPT:
            del made[next(iter(made))]
        found = made[key] = make()
    return found


class Registry:
    """One level of what is said about types, over the wider ones: the process's, a connection's, a cursor's.

    A connection's has `lookups`, the types its server was asked for; its cursors share them.
    """

    def __init__(self, parent: Registry | None = None, lookups: Lookups | None = None) -> None:
        self._level = Level()
        self._levels: tuple[Level, ...] = (self._level, *(() if parent is None else parent._levels))
        self.lookups: Lookups = lookups if lookups is not None else Lookups() if parent is None else parent.lookups
        self._rules: Rules | None = None
        self._text: Registry | None = None
        self._version = -1
        self._looked_at = -1

    @property
    def rules(self) -> Rules:
        """What holds at this moment."""
        now = CHANGES.last
        if now == self._looked_at and self._rules is not None:
            return self._rules
        self._looked_at = now
        return self._rules_now()

    def _rules_now(self) -> Rules:
        version = self.lookups.version
        for level in self._levels:
            version = max(version, level.version)
        rules = self._rules
        if rules is None or version != self._version:
            known = self.lookups.known()
            rules = self._rules = Rules(Said(self._levels), lambda oid: BY_OID.get(oid) or known(oid))
            self._version = version
        return rules

    # ------------------------------------------------------------ what is known

    def info(self, oid: int) -> TypeInfo | None:
        """The type, None where it is not known yet: then the server has to be asked."""
        return BY_OID.get(oid) or self.lookups.get(oid)

    def find(self, name: str | int) -> TypeInfo | None:
        """The type of a name or OID among those that are known."""
        return self.find_key(type_key(name))

    def find_key(self, key: TypeKey) -> TypeInfo | None:
        """The type of a key among those that are known."""
        if isinstance(key, int):
            return self.info(key)
        return next((info for info in self.lookups.all() if key in keys_of(info)), None)

    def declares(self, cls: type) -> TypeKey | None:
        """The key of the type that values of this class were declared to be of, None where nothing was declared."""
        for level in self._levels:
            if level.declared and cls in level.declared:
                return level.declared[cls]
        return None

    def key_of_class(self, cls: type) -> TypeKey | None:
        """The key of the type that this class is registered for, None where it is registered for none."""
        for level in self._levels:
            for key, registration in level.registrations.items():
                if registration.cls is cls:
                    return key
        return None

    def unknown(self, oids: Iterable[int]) -> list[int]:
        """The OIDs among these of types that have to be looked up."""
        return self.rules.unknown(oids)

    @property
    def policies(self) -> Policies:
        """The policies of all levels together."""
        return self.rules.policies

    def result_formats(self, oids: Sequence[int]) -> bytes:
        """See Rules."""
        return self.rules.result_formats(oids)

    def encode_plan(self, oids: Sequence[int]) -> Plan:
        """See Rules."""
        return self.rules.encode_plan(oids)

    def row_plan(self, fields: Sequence[ResultField]) -> Plan:
        """See Rules."""
        return self.rules.row_plan(fields)

    def adopt(self, other: Registry) -> None:
        """Say here, too, what was said to another connection or cursor."""
        for level in reversed(other._levels):
            if level is not PROCESS._level:
                self._level.adopt(level)

    def with_text_results(self) -> Registry:
        """The same, but results are asked for as text."""
        if self._text is None:
            self._text = Registry(self)
            self._text.configure(results="text")
        return self._text

    # ------------------------------------------------------------ what is said

    def register(
        self,
        name: str | int,
        decode: Callable[[Any], Any] | None = None,
        encode: Callable[[Any], Any] | None = None,
        format: str = "text",  # noqa: A002  (the protocol's word)
    ) -> None:
        """Read values of a type by `decode` and write them by `encode`.

        The type is given by OID or by name as in SQL: `mood`, `public."Mood"`, `int[]`; a name that is not built in is
        matched when a value of such a type comes up, so the type need not be there yet. With format="text" `decode`
        gets the text form as str and `encode` gives it; with "binary" both are bytes. Where one of the two is left
        out, that direction stays as it was; without both the registration is taken back.

        Arrays, composites and ranges of the type follow. What `decode` and `encode` raise becomes a DataError.
        """
        self._level.register(name, by_functions(decode, encode, format))

    def register_class(self, cls: type | str, dump: Dump | None) -> None:
        """Write parameters of a class, and of those derived from it, by a function; None takes that back."""
        self._level.register_class(cls, dump)

    def register_enum(self, name: str | int, cls: type[Enum]) -> None:
        """Read values of an enum type as members of an Enum class, and write them back.

        A member stands for the label that is its value, where that is a str, or else its name.
        """
        self._level.register(name, by_enum(cls))

    def register_composite(self, name: str | int, cls: Callable[..., Any]) -> None:
        """Read values of a composite type as `cls(*attributes)`, and write objects of any class with these attributes.

        A dataclass or named tuple whose fields are called as the attributes gets them by name.
        """
        self._level.register(name, by_composite(cls))

    def declare(self, cls: type, name: str | int) -> None:
        """Take values of a class for values of a type, given as in `register`, where nothing else tells their type.

        It is for constants that are written into a query. The class itself counts, not its subclasses.
        """
        self._level.declare(cls, name)

    def configure(self, **policies: Any) -> None:
        """Choose what becomes of values that Python's classes cannot hold, and how parameters are taken.

        See `pgfast.types.Policies` for the names and what they mean.
        """
        self._level.configure(policies)


#: What is said for the whole process.
PROCESS: Final = Registry()
#: What holds where nothing is said: for the queries of the driver itself.
PLAIN: Final = Registry()
#: The same, but text is taken for a value of any type, at any depth.
LENIENT: Final = Registry()
LENIENT.configure(strings="lenient")
