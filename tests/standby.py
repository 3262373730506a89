"""A standby of a running server, made from a base backup that pgfast itself takes."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from typing import Final

from pgfast.embedded import EmbeddedServer
from pgfast.replication import ReplicationConnection

#: The version from which on a standby is told to be one by a file of its own (docs: Recovery Configuration, Changes).
_SIGNAL: Final = 120000


@dataclass(slots=True)
class Standby(EmbeddedServer):
    """A server that follows `primary`, of the same installation, until it is promoted."""

    primary: EmbeddedServer | None = None

    def _create(self) -> None:
        assert self.primary is not None, "a standby follows somebody"
        self.data.mkdir(mode=0o700)
        with ReplicationConnection.connect(self.primary.dsn) as walsender:
            version = walsender.info.server_version
            archive = bytearray()
            with walsender.base_backup("standby", wal=True, fast=True) as backup:
                for _, piece in backup:
                    archive += piece
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            if hasattr(tarfile, "data_filter"):
                files.extractall(self.data, filter="data")
            else:
                files.extractall(self.data)
        source = f"primary_conninfo = 'host={self.primary.host} port={self.primary.port} user={self.primary.user}'\n"
        sockets = f"unix_socket_directories = '{self.socket_directory}'\n"
        with open(self.data / "postgresql.auto.conf", "a", encoding="utf-8") as conf:
            conf.write(sockets + (source if version >= _SIGNAL else ""))
        if version >= _SIGNAL:
            (self.data / "standby.signal").touch()
        else:
            (self.data / "recovery.conf").write_text("standby_mode = on\n" + source, encoding="utf-8")
        for directory, names, found in os.walk(self.data):
            for name in (".", *names, *found):
                self._account.own(self.data / directory / name)

    def promote(self) -> None:
        """Follow nobody any more, and take writes."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "promote")
