"""The answers to what the server asks before it lets the user in.

Law of this file: what the settings demand is checked before anything secret is written, and nothing the server says is
believed before its proof has been checked where the method has one. Sources: PostgreSQL docs, "Message Flow: Start-up",
"SASL Authentication", and of the settings "Database Connection Control Functions".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ... import const
from ...codec import WriteBuffer
from ...errors import AuthenticationError, ProgrammingError, ProtocolError
from .. import backend, frontend, oauth, scram
from ..endpoint import tls_server_end_point
from ..gss import GssContext, GssError
from .steps import Call, Consult, Operation

#: Methods as require_auth names them.
METHODS: Final = ("none", "password", "md5", "gss", "sspi", "scram-sha-256", "oauth")
#: Requests that say nothing but themselves.
_BARE: Final = frozenset({backend.AUTH_OK, backend.AUTH_CLEARTEXT_PASSWORD, backend.AUTH_GSS})
#: Methods this client cannot do, by name, for the error.
_UNSUPPORTED: Final = {2: "Kerberos V5", 4: "crypt", 6: "SCM credentials", 9: "SSPI"}

PasswordSource: TypeAlias = Callable[[], "str | Awaitable[str | None] | None"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client can show, and what it demands.

    `password` is the password, or a callable that gives it when the server asks for it. `require_auth` holds the
    methods that are allowed. `gss` begins a GSSAPI exchange, or raises
    GssError.
    """

    user: str
    password: str | PasswordSource | None = field(default=None, repr=False)
    require_auth: frozenset[str] = frozenset(METHODS)
    channel_binding: str = "prefer"
    scram_max_iterations: int = scram.MAX_ITERATIONS
    scram_keys: tuple[bytes | None, bytes | None] = field(default=(None, None), repr=False)
    oauth: oauth.OAuth | None = None
    gss: Callable[[], GssContext] | None = None


class Login:
    """One log-in, request by request.

    `private` says whether nobody on the way can read what is sent, `encrypted` whether TLS is on, `certificate` is the
    server's in DER where it is. `sealed` says that GSSAPI encrypts the connection, for which both sides have shown who
    they are.
    """

    def __init__(
        self,
        credentials: Credentials,
        private: bool = False,
        encrypted: bool = False,
        certificate: bytes | None = None,
        sealed: bool = False,
    ) -> None:
        self._credentials = credentials
        self._private = private
        self._encrypted = encrypted
        self._certificate = certificate
        self._sealed = sealed
        self._scram: scram.ScramClient | None = None
        self._gss: GssContext | None = None
        self._bearing = False
        self._refused: oauth.OAuthRequest | None = None
        self._asked = False
        self._bound = False
        self._proved = True

    def answer(self, out: WriteBuffer, code: int, data: bytes) -> Operation[None]:
        """Write what answers an Authentication message into `out`. Raises AuthenticationError, ProtocolError."""
        if data and code in _BARE:
            raise ProtocolError(f"Authentication with the code {code} has {len(data)} bytes too many")
        if code == backend.AUTH_OK:
            self._check_end()
            return
        if code in (backend.AUTH_CLEARTEXT_PASSWORD, backend.AUTH_MD5_PASSWORD):
            yield from self._password(out, code, data)
        elif code == backend.AUTH_GSS:
            self._begin("gss")
            yield from self._begin_gss(out)
        elif code == backend.AUTH_GSS_CONTINUE:
            yield from self._continue_gss(out, data)
        elif code == backend.AUTH_SASL:
            yield from self._begin_sasl(out, data)
        elif code == backend.AUTH_SASL_CONTINUE:
            yield from self._continue_sasl(out, data)
        elif code == backend.AUTH_SASL_FINAL:
            if self._scram is None:
                raise ProtocolError("the server ends a SASL exchange that was not begun")
            if self._scram.awaiting != "verify":
                raise ProtocolError("the server ends a SASL exchange that is in another step")
            self._scram.verify(data)
            self._proved = True
        else:
            name = _UNSUPPORTED.get(code, f"method {code}")
            raise AuthenticationError(f"the server asks for authentication by {name}, which pgfast does not know")

    def _begin(self, method: str) -> None:
        """Take note that the server asks for this method. Raises AuthenticationError where the settings forbid it."""
        if self._asked:
            raise ProtocolError("the server asks for authentication a second time")
        self._asked = True
        if method not in self._credentials.require_auth:
            raise AuthenticationError(
                f"the server asks for authentication by {method}, which require_auth does not allow; nothing was sent"
            )
        if self._credentials.channel_binding == "require" and method != "scram-sha-256":
            raise AuthenticationError(
                f"channel_binding=require, but the server asks for authentication by {method}, which has none; "
                "nothing was sent"
            )

    def _check_end(self) -> None:
        if not self._proved:
            raise AuthenticationError("the server let the user in without proving that it knows the password")
        if self._gss is not None and not self._gss.complete:
            raise AuthenticationError("the server let the user in before the GSSAPI exchange had ended")
        if self._refused is not None:
            raise ProtocolError("the server let the user in after it had refused the OAuth token")
        if self._bearing and self._credentials.oauth is not None and self._credentials.oauth.discovers:
            raise AuthenticationError("the server let the user in before an OAuth token was shown")
        if self._credentials.channel_binding == "require" and not self._bound:
            raise AuthenticationError("channel_binding=require, but the server let the user in without channel binding")
        allowed = self._credentials.require_auth
        # The exchange that began the encryption is authentication by GSSAPI (libpq: check_expected_areq).
        if not self._asked and "none" not in allowed and not (self._sealed and "gss" in allowed):
            raise AuthenticationError(
                "the server let the user in without any authentication, which require_auth forbids"
            )

    # ------------------------------------------------------------ passwords

    def _password(self, out: WriteBuffer, code: int, data: bytes) -> Operation[None]:
        if code == backend.AUTH_CLEARTEXT_PASSWORD:
            self._begin("password")
            secret = yield from self._secret()
            frontend.password(out, secret.encode())
            return
        self._begin("md5")
        if len(data) != 4:
            raise ProtocolError(f"AuthenticationMD5Password has a salt of {len(data)} bytes, 4 are needed")
        secret = yield from self._secret()
        frontend.password(out, scram.md5_password(self._credentials.user, secret, data))

    def _secret(self) -> Operation[str]:
        password = self._credentials.password
        if callable(password):
            password = yield Call(password)
            if password is not None and not isinstance(password, str):
                raise AuthenticationError(f"the password callable gave a {type(password).__name__}, not a str")
        if password is None:
            raise AuthenticationError(
                "the server asks for a password and none is given: password=, PGPASSWORD or a password file"
            )
        reason = _unfit(password)
        if reason is not None:
            del password  # tools that report errors show the variables of every frame
            raise ProgrammingError(reason)
        return password

    # ------------------------------------------------------------ SASL

    def _begin_sasl(self, out: WriteBuffer, data: bytes) -> Operation[None]:
        names = [name.decode("ascii", "replace") for name in data.split(b"\0") if name]
        if scram.MECHANISM in names or scram.MECHANISM_PLUS in names:
            self._begin("scram-sha-256")
            yield from self._begin_scram(out, names)
        elif oauth.MECHANISM in names:
            self._begin("oauth")
            yield from self._begin_oauth(out)
        else:
            raise AuthenticationError(
                f"the server offers the SASL mechanisms {', '.join(names) or 'none'}; pgfast knows "
                f"{scram.MECHANISM}, {scram.MECHANISM_PLUS} and {oauth.MECHANISM}"
            )

    def _begin_scram(self, out: WriteBuffer, names: list[str]) -> Operation[None]:
        wanted = self._credentials.channel_binding
        end_point = None
        if self._certificate is not None and wanted != "disable":
            end_point = tls_server_end_point(self._certificate)
        if scram.MECHANISM_PLUS in names and not self._encrypted:
            raise AuthenticationError(
                "the server offers channel binding on a connection without TLS; "
                "somebody in between may hold the TLS connection"
            )
        self._bound = scram.MECHANISM_PLUS in names and end_point is not None
        if wanted == "require" and not self._bound:
            why = "the connection has no TLS"
            if self._encrypted:
                why = "the server does not offer it" if end_point else "the server's certificate has no hash for it"
            raise AuthenticationError(f"channel_binding=require, but {why}; nothing was sent")
        if not self._bound and scram.MECHANISM not in names:
            raise AuthenticationError(f"the server offers {scram.MECHANISM_PLUS} only, and channel_binding disables it")
        header = scram.BOUND if self._bound else scram.UNOFFERED if end_point is not None else scram.UNBOUND
        keys = self._credentials.scram_keys
        secret = "" if None not in keys else (yield from self._secret())
        self._scram = scram.ScramClient(
            secret,
            header=header,
            binding=end_point if self._bound and end_point is not None else b"",
            most_iterations=self._credentials.scram_max_iterations,
            client_key=keys[0],
            server_key=keys[1],
        )
        self._proved = False
        mechanism = scram.MECHANISM_PLUS if self._bound else scram.MECHANISM
        frontend.sasl_initial_response(out, mechanism, self._scram.first())

    def _begin_oauth(self, out: WriteBuffer) -> Operation[None]:
        known = self._credentials.oauth
        if known is None:
            raise AuthenticationError("the server asks for an OAuth token and none is given: oauth_token=")
        token: Any = ""
        if not known.discovers:
            if not self._private:
                raise AuthenticationError(
                    "the server asks for an OAuth token on a connection that others can read; use sslmode=verify-full"
                )
            token = known.token
            if not isinstance(token, str):
                source, request = token, known.request
                token = yield Call(lambda: source(request))
            if not isinstance(token, str) or not token:
                raise AuthenticationError(
                    f"the OAuth token must be a str that is not empty, not {type(token).__name__}"
                )
        if not oauth.is_token(token):
            del token
            raise AuthenticationError("the OAuth token holds characters that no bearer token has")
        self._bearing = True
        frontend.sasl_initial_response(out, oauth.MECHANISM, oauth.initial_response(token))

    def _continue_sasl(self, out: WriteBuffer, data: bytes) -> Operation[None]:
        exchange = self._scram
        if exchange is not None:
            if exchange.awaiting != "final":
                raise ProtocolError("the server continues a SASL exchange that is in another step")
            # The server chooses how long it takes: an event loop must go on meanwhile, and the deadline hold.
            slow = exchange.is_slow(data)
            proof = (yield Consult(lambda: exchange.final(data))) if slow else exchange.final(data)
            frontend.sasl_response(out, proof)
            return
        known = self._credentials.oauth
        if not self._bearing or known is None or self._refused is not None:
            raise ProtocolError("the server continues a SASL exchange that was not begun")
        self._refused = oauth.read_refusal(data, known)
        if known.discovers:
            raise oauth.OAuthDiscovered(self._refused)
        frontend.sasl_response(out, oauth.GIVE_UP)  # the server's error follows

    # ------------------------------------------------------------ GSSAPI

    def _begin_gss(self, out: WriteBuffer) -> Operation[None]:
        begin = self._credentials.gss
        if begin is None:
            raise AuthenticationError(
                "the server asks for authentication by GSSAPI, which this connection has not set up"
            )
        try:
            self._gss = yield Consult(begin)
        except GssError as exc:
            raise _gss_failed(exc) from exc
        yield from self._step_gss(out, self._gss, None)

    def _continue_gss(self, out: WriteBuffer, token: bytes) -> Operation[None]:
        if self._gss is None:
            raise ProtocolError("the server continues a GSSAPI exchange that was not begun")
        if self._gss.complete:
            raise ProtocolError("the server continues a GSSAPI exchange that has ended")
        yield from self._step_gss(out, self._gss, token)

    def _step_gss(self, out: WriteBuffer, context: GssContext, token: bytes | None) -> Operation[None]:
        try:
            answer = yield Consult(lambda: context.step(token))
        except GssError as exc:
            raise _gss_failed(exc) from exc
        if answer:
            frontend.sasl_response(out, answer)


def _unfit(password: str) -> str | None:
    """Why a password cannot be sent, None where it can. Neither it nor a part of it is shown."""
    if len(password) > const.MAX_INT32:
        return f"the password is longer than a message may be, {const.MAX_INT32} bytes"
    if "\0" in password:
        return "the password holds a NUL character"
    if any("\ud800" <= char <= "\udfff" for char in password):
        return "the password cannot be encoded in UTF-8: it holds half a surrogate pair"
    return None


def _gss_failed(exc: GssError) -> AuthenticationError:
    return AuthenticationError(f"the server asks for authentication by GSSAPI, which fails: {exc}")
