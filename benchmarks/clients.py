"""Every client: the module of its cases, what it needs, and whether it is pgfast itself."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from .case import Case, Cases

OURS: Final = "benchmarks.ours"
PEERS: Final = "benchmarks.peers."
#: Modules of cases.
MODULES: Final = (
    OURS,
    *(
        PEERS + name
        for name in (
            *("psycopg_client", "psycopg2_client", "asyncpg_client", "psqlpy_client", "arrow_clients"),
            *("psql_client", "pg8000_client"),
        )
    ),
)
#: Client to the distributions it needs, where they are not its name.
NEEDS: Final = MappingProxyType(
    {
        "psycopg (text)": ("psycopg",),
        "pgpq + psycopg": ("pgpq", "psycopg", "pyarrow"),
        "pandas + psycopg": ("pandas", "psycopg"),
        "psycopg2": ("psycopg2-binary",),
        "asyncpg (uvloop)": ("asyncpg", "uvloop"),
        "asyncpg + pandas": ("asyncpg", "pandas"),
        "pgpq + psqlpy": ("pgpq", "psqlpy", "pyarrow"),
        "ADBC": ("adbc-driver-postgresql", "adbc-driver-manager", "pyarrow"),
        "polars + ADBC": ("polars", "adbc-driver-postgresql"),
        "pandas + ADBC": ("pandas", "adbc-driver-postgresql", "pyarrow"),
        "connectorx": ("connectorx", "pyarrow"),
        "psql": (),
    }
)


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its module, whether pgfast's interpreter runs it, and PGFAST_IMPL for it."""

    name: str
    module: str

    @property
    def ours(self) -> bool:
        """Whether it is pgfast."""
        return not self.module.startswith(PEERS)

    @property
    def implementation(self) -> str:
        """What PGFAST_IMPL is for it."""
        return "" if not self.ours else "python" if self.name == "pgfast (pure)" else "c"

    @property
    def needs(self) -> tuple[str, ...]:
        """The distributions it needs in the peers' environment."""
        return () if self.ours else NEEDS.get(self.name, (self.name,))


@lru_cache(maxsize=1)
def every_case() -> dict[Client, dict[str, Case]]:
    """Client to its works and cases, pgfast's first."""
    found: dict[Client, dict[str, Case]] = {}
    for module in MODULES:
        cases: Cases = importlib.import_module(module).CASES
        for (client, work), case in cases.items():
            found.setdefault(Client(client, module), {})[work] = case
    return found
