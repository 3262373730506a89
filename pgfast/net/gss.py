"""GSSAPI by python-gssapi, the binding to the system's Kerberos library (the extra `gss`).

Law of this file: the library is imported when it is needed first, and its exceptions leave as GssError, which says
what failed, for which service, and what to do. No ticket, key or token is in any text. What may wait for a key
distribution centre is `Settings.begin` and `Context.step`, and nothing else.

| gssencmode | GSSAPI encryption |
| --- | --- |
| disable | never |
| prefer | first, where the extra is installed, a host is named, and there is a ticket; else TLS as sslmode says |
| require | always; sslmode is then not looked at |

Never on a Unix socket. Source: PostgreSQL docs, "GSSAPI Authentication" and "gssencmode"; libpq: fe-gssapi-common.c.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

from ..protocol.gss import GssError
from .conninfo import ConnInfo

#: Flags of the library: what is asked for, and must be there when the exchange has ended. Encryption asks for all.
_MUTUAL: Final = "mutual_authentication"
_SEALING: Final = (_MUTUAL, "replay_detection", "out_of_sequence_detection", "confidentiality", "integrity")
_DELEGATION: Final = "delegate_to_peer"


@dataclass(frozen=True, slots=True)
class Settings:
    """Which service is spoken to, and whether it gets a copy of the ticket to act with."""

    target: str
    delegates: bool = False

    def begin(self) -> Context:
        """An exchange that only shows who both sides are. Raises GssError where there is no ticket to begin with."""
        return Context(self, (_MUTUAL,))

    def begin_sealing(self) -> Context:
        """An exchange after which everything is encrypted. Raises as `begin`."""
        return Context(self, _SEALING)


def library() -> Any:
    """The library's module. Raises GssError where it cannot be imported."""
    try:
        from gssapi import raw
    except (ImportError, OSError) as exc:  # OSError: on Windows, without MIT Kerberos
        raise GssError(f"GSSAPI needs a library; pip install 'pgfast[gss]' ({exc})") from exc
    return raw


def settings(info: ConnInfo) -> Settings:
    """What GSSAPI needs to know of a connection. Raises GssError where no service can be named."""
    if info.is_local:
        raise GssError("GSSAPI is not for Unix sockets; give the host's name")
    if info.host_name is None:
        raise GssError("GSSAPI needs host, the name of the server in its principal, not only hostaddr")
    return Settings(f"{info.krbsrvname}@{info.host_name}", info.gssdelegation)


def for_encryption(info: ConnInfo) -> Settings | None:
    """The settings where GSSAPI encryption is to be tried, else None. Raises GssError where it cannot be and must."""
    required = info.gssencmode == "require"
    if info.gssencmode == "disable" or (info.channel_binding == "require" and not required):
        return None  # channel binding is TLS's
    try:
        found = settings(info)
        library()
    except GssError as exc:
        if required:
            raise GssError(f"gssencmode=require: {exc}") from exc
        return None
    return found


class Context:
    """The client's side of one exchange (see protocol.gss.GssContext). Any thread may wrap while another unwraps."""

    def __init__(self, settings: Settings, needed: tuple[str, ...]) -> None:
        self._raw = library()
        self._target = settings.target
        self._needed = needed
        self._asked = (*needed, _DELEGATION) if settings.delegates else needed
        self._lock = threading.Lock()
        self._context: Any = None
        self._more = True
        try:
            found = self._raw.acquire_cred(usage="initiate")
            self._credentials = found.creds
            self._name = self._raw.import_name(self._target.encode(), self._raw.NameType.hostbased_service)
        except self._raw.GSSError as exc:
            raise self._error("there is no ticket to log in with", exc, "; kinit gets one") from exc
        if found.lifetime == 0:
            raise GssError(f"GSSAPI for {self._target}: the ticket to log in with has expired; kinit gets another")

    @property
    def complete(self) -> bool:
        """Whether the exchange has ended and the server has shown who it is."""
        return not self._more

    def step(self, token: bytes | None) -> bytes | None:
        """The token that answers the server's, None where there is none. Raises GssError."""
        flags = [self._raw.RequirementFlag[name] for name in self._asked]
        try:
            made = self._raw.init_sec_context(
                self._name, creds=self._credentials, context=self._context, flags=flags, input_token=token
            )
        except self._raw.GSSError as exc:
            hint = "; klist shows the ticket, kinit gets another" if token is None else ""
            raise self._error("the exchange failed", exc, hint) from exc
        self._context, self._more = made.context, made.more_steps
        if not made.more_steps:
            missing = [name for name in self._needed if self._raw.RequirementFlag[name] not in made.flags]
            if missing:
                raise GssError(f"GSSAPI for {self._target}: what was agreed on lacks {', '.join(missing)}")
        token_out: bytes | None = made.token
        return token_out

    def room(self, size_bytes: int) -> int:
        """How many bytes `wrap` takes for a result of so many."""
        try:
            size: int = self._raw.wrap_size_limit(self._context, size_bytes, True)
        except self._raw.GSSError as exc:
            raise self._error("it does not tell the size of packets", exc) from exc
        return size

    def wrap(self, data: bytes) -> bytes:
        """The bytes encrypted. Raises GssError."""
        try:
            with self._lock:
                made = self._raw.wrap(self._context, data, True)
        except self._raw.GSSError as exc:
            raise self._error("encrypting failed", exc) from exc
        if not made.encrypted:
            raise GssError(f"GSSAPI for {self._target}: the library did not encrypt")
        message: bytes = made.message
        return message

    def unwrap(self, packet: bytes) -> bytes:
        """The bytes that were encrypted. Raises GssError where they were not, or by somebody else."""
        try:
            with self._lock:
                made = self._raw.unwrap(self._context, packet)
        except self._raw.GSSError as exc:
            raise self._error("decrypting failed", exc) from exc
        if not made.encrypted:
            raise GssError(f"GSSAPI for {self._target}: a packet is signed, but not encrypted")
        message: bytes = made.message
        return message

    def _error(self, what: str, exc: Any, hint: str = "") -> GssError:
        """The exception for one of the library's, in its words for the mechanism, else for the failure at large."""
        words = exc.get_all_statuses(exc.min_code, False) if exc.min_code else []
        reason = ", ".join(words or exc.get_all_statuses(exc.maj_code, True)).rstrip(". ")
        return GssError(f"GSSAPI for {self._target}: {what}: {reason}{hint}")
