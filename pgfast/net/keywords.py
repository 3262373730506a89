"""The names of connection settings: what libpq calls them, the variable each falls back to, and which are secret.

Law of this file: names only. Names and meanings: PostgreSQL docs, "Parameter Key Words" and "Environment Variables".
"""

from __future__ import annotations

import difflib
from typing import Final

from ..errors import ProgrammingError, shorten

#: Keywords that have a field of their own in ConnInfo, and the variable each one falls back to.
VARIABLES: Final[dict[str, str | None]] = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "client_encoding": "PGCLIENTENCODING",
    "application_name": "PGAPPNAME",
    "fallback_application_name": None,
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslpassword": None,
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "keepalives": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "keepalives_count": None,
    "tcp_user_timeout": None,
    "channel_binding": "PGCHANNELBINDING",
    "gssdelegation": "PGGSSDELEGATION",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "max_protocol_version": "PGMAXPROTOCOLVERSION",
    "min_protocol_version": "PGMINPROTOCOLVERSION",
    "oauth_client_id": None,
    "oauth_client_secret": None,
    "oauth_issuer": None,
    "oauth_scope": None,
    "require_auth": "PGREQUIREAUTH",
    "scram_client_key": None,
    "scram_max_iterations": None,
    "scram_server_key": None,
    "sslcrldir": "PGSSLCRLDIR",
    "sslkeylogfile": None,
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslsni": "PGSSLSNI",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "replication": None,
    "requirepeer": "PGREQUIREPEER",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
#: Keywords whose values are objects of the program's, so that no string can hold them.
OBJECTS: Final = ("oauth_token", "sock", "ssl_context")
#: Keywords libpq knows whose other values would change what happens: only the harmless ones are taken.
ONLY: Final[dict[str, tuple[str | None, tuple[str, ...]]]] = {
    "gsslib": ("PGGSSLIB", ("gssapi",)),
    "sslcertmode": ("PGSSLCERTMODE", ("allow", "disable")),
    "sslcompression": ("PGSSLCOMPRESSION", ("0",)),
}
#: Variables that libpq turns into server settings of the session.
SETTINGS: Final = {"PGDATESTYLE": "datestyle", "PGTZ": "timezone", "PGGEQO": "geqo"}
#: Settings whose values are shown nowhere.
SECRET: Final = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


def is_known(keyword: str) -> bool:
    return keyword in VARIABLES or keyword in ONLY


def check_keyword(keyword: str, where: str = "") -> None:
    if is_known(keyword):
        return
    close = difflib.get_close_matches(keyword, [*VARIABLES, *ONLY, "database"], 1)
    meant = "" if not close else f"; did you mean {'dbname' if close[0] == 'database' else close[0]}?"
    raise ProgrammingError(f"unknown connection keyword {shorten(keyword)}{where}{meant}")
