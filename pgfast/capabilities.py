"""What the driver can do, asked the way psycopg's programs ask. There is no libpq whose version would decide it."""

from __future__ import annotations

from .errors import NotSupportedError

__all__ = ["Capabilities", "capabilities"]


class Capabilities:
    """Each method is True where the driver has the feature; with `check` the answer no is a NotSupportedError."""

    def has_encrypt_password(self, check: bool = False) -> bool:
        """Whether passwords can be hashed in the client for ALTER ROLE: no, `\\password` of psql does it."""
        if check:
            raise NotSupportedError("pgfast does not hash passwords for ALTER ROLE; psql's \\password does")
        return False

    def has_hostaddr(self, check: bool = False) -> bool:
        """Whether `hostaddr` spares the name lookup."""
        return True

    def has_pipeline(self, check: bool = False) -> bool:
        """Whether there is a pipeline mode."""
        return True

    def has_set_trace_flags(self, check: bool = False) -> bool:
        """Whether libpq's tracing can be set: there is no libpq."""
        if check:
            raise NotSupportedError("pgfast has no libpq to be traced; see pgfast.hooks")
        return False

    def has_full_protocol_version(self, check: bool = False) -> bool:
        """Whether `info.full_protocol_version` tells the minor version too."""
        return True

    def has_used_gssapi(self, check: bool = False) -> bool:
        """Whether it is known that a connection has logged in by GSSAPI: `info.gss_encrypted` knows of encryption."""
        if check:
            raise NotSupportedError("pgfast does not tell by which method a connection has logged in")
        return False

    def has_cancel_safe(self, check: bool = False) -> bool:
        """Whether a request to cancel goes by the connection's encryption."""
        return True

    def has_stream_chunked(self, check: bool = False) -> bool:
        """Whether `stream(size=)` fetches several rows at a time."""
        return True

    def has_send_close_prepared(self, check: bool = False) -> bool:
        """Whether prepared statements are closed by the protocol and not by DEALLOCATE."""
        return True

    def has_pgbouncer_prepared(self, check: bool = False) -> bool:
        """Whether statements can be prepared behind PgBouncer."""
        return True


capabilities = Capabilities()
