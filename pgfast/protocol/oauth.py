"""SASL OAUTHBEARER (RFC 7628): a bearer token instead of a password.

Law of this file: no token comes into a repr or an error. Where the token comes from is the program's business; what a
server says about that (its issuer's address and the scope it wants) is passed on as the server's word, and nothing is
fetched from there.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ..errors import AuthenticationError, OperationalError

#: SASL mechanism name (docs: OAUTHBEARER Authentication).
MECHANISM: Final = "OAUTHBEARER"
#: Ends the exchange after the server has said why a token will not do (RFC 7628, section 3.2.3).
GIVE_UP: Final = b"\x01"
_MOST_BYTES: Final = 32 * 1024
#: What a bearer token may consist of (RFC 6750, section 2.1).
_TOKEN_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")
_WELL_KNOWN: Final = "/.well-known/"


@dataclass(frozen=True, slots=True)
class OAuthRequest:
    """What a token is wanted for, for the callable that gets one.

    `issuer` is the one the connection settings name; `configuration_url` the address of the issuer's configuration as
    the server says, None where it was not asked; `scope` the scopes to ask for, parted by blanks, by the settings or
    else by the server. `client_id` and `client_secret` are the settings', for whoever asks the issuer.
    """

    issuer: str | None
    configuration_url: str | None
    scope: str | None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)


TokenSource: TypeAlias = Callable[[OAuthRequest], "str | Awaitable[str]"]


@dataclass(frozen=True, slots=True)
class OAuth:
    """How a connection gets its token: the token itself or a callable, and what the settings say of its issuer."""

    token: str | TokenSource = field(repr=False)
    issuer: str | None = None
    scope: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    discovered: OAuthRequest | None = None

    @property
    def request(self) -> OAuthRequest:
        """What to ask the callable for."""
        return self.discovered or OAuthRequest(self.issuer, None, self.scope, self.client_id, self.client_secret)

    @property
    def discovers(self) -> bool:
        """Whether the server is asked first where tokens come from: where a callable wants one of a named issuer."""
        return self.discovered is None and self.issuer is not None and not isinstance(self.token, str)


class OAuthDiscovered(OperationalError):
    """The server has said where tokens come from; the connection is made anew with one. It never reaches a program."""

    def __init__(self, request: OAuthRequest) -> None:
        super().__init__("the server wants an OAuth token")
        self.request = request


def is_token(text: str) -> bool:
    """Whether the text may be a token, or is empty."""
    return _TOKEN_CHARACTERS.issuperset(text)


def initial_response(token: str) -> bytes:
    """The client's message with this token; with an empty one it asks what the server wants."""
    credential = f"Bearer {token}" if token else ""
    return b"n,,\x01auth=" + credential.encode("ascii") + b"\x01\x01"


def read_refusal(data: bytes, oauth: OAuth) -> OAuthRequest:
    """What the server's refusal of a token says about the tokens it takes.

    Raises AuthenticationError for anything but a JSON object of texts, and for another issuer than the settings name.
    """
    if len(data) > _MOST_BYTES:
        raise AuthenticationError(f"OAUTHBEARER: the server's message has {len(data)} bytes, {_MOST_BYTES} are allowed")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise AuthenticationError("OAUTHBEARER: the server's message is not valid JSON") from exc
    texts = {} if not isinstance(found, dict) else found
    url, scope = texts.get("openid-configuration"), texts.get("scope")
    if (
        not isinstance(found, dict)
        or not isinstance(url, (str, type(None)))
        or not isinstance(scope, (str, type(None)))
    ):
        raise AuthenticationError("OAUTHBEARER: the server's message is not an object of texts")
    if url is not None and oauth.issuer is not None and _issuer_of(url) != oauth.issuer.rstrip("/"):
        raise AuthenticationError(
            f"OAUTHBEARER: the server takes tokens of another issuer ({url[:200]!r}) than oauth_issuer names"
        )
    return OAuthRequest(oauth.issuer, url, oauth.scope or scope, oauth.client_id, oauth.client_secret)


def _issuer_of(url: str) -> str:
    """The issuer whose configuration lies at this address: with the well-known part behind it, or in it (RFC 8414)."""
    host_end = url.find("/", url.find("://") + 3)
    if url.startswith(_WELL_KNOWN, host_end):
        inserted = url[host_end + len(_WELL_KNOWN) :].partition("/")[2]
        return (url[:host_end] + "/" + inserted).rstrip("/")
    return url.partition(_WELL_KNOWN)[0].rstrip("/")
