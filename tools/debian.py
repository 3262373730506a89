"""Programs out of Debian's packages, for tests: fetched and unpacked beside the checkout, nothing installed, no root.

How it works. apt works with a state of its own that knows of no installed package, so that it fetches a program's
libraries too, the C library among them. Of what it fetches only the program and the libraries that it loads are kept;
they run by the dynamic loader among them, on a system of any age.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .npm import attempt

#: Another mirror than the one that this system's apt is set up with.
MIRROR: Final = "PGFAST_DEBIAN_MIRROR"
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_URI: Final = re.compile(r"^'(\S+/debian/)dists/", re.MULTILINE)
_LOADER: Final = "ld-linux*.so*"
_LOADED: Final = re.compile(r"=> (\S+)")


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its libraries in one directory."""

    directory: Path
    name: str

    def command(self, *arguments: str) -> list[str]:
        """The command that runs it."""
        libraries = self.directory / "lib"
        (loader,) = libraries.glob(_LOADER)
        return [str(loader), "--library-path", str(libraries), str(self.directory / self.name), *arguments]


def fetch(suite: str, package: str, path: str, directory: Path) -> Program:
    """The program at `path` in a package of a Debian release, in `directory`; fetched where it is not there yet.

    Raises RuntimeError with what apt said.
    """
    directory = directory.absolute()
    program = Program(directory, Path(path).name)
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as made:
            state = Path(made)
            _unpack(_download(suite, package, state), state / "tree")
            _gather(state / "tree", path, state / "program")
            try:
                (state / "program").rename(directory)
            except OSError:
                if not directory.is_dir():  # else another run was quicker
                    raise
    return program


def mirror() -> str:
    """The mirror to fetch from. Raises RuntimeError where there is none."""
    named = os.environ.get(MIRROR)
    if named:
        return named
    found = _URI.search(attempt("apt-get", "update", "--print-uris").stdout)
    if found is None:
        raise RuntimeError(f"apt is not there, or set up for no Debian mirror; name one in {MIRROR}")
    return found[1]


def _download(suite: str, package: str, state: Path) -> list[Path]:
    """The archives of the package and of all it depends on."""
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (state / "sources.list").write_text(f"deb {signed}{mirror()} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",  # the directory is open to nobody else; without root it has no meaning
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    wanted = ("install", "--yes", "--no-install-recommends", "--download-only", package)
    for command in (("update",), wanted):
        done = attempt("apt-get", *options, *command)
        if done.returncode:
            raise RuntimeError(f"`apt-get {command[0]}` for {suite}: {(done.stderr or done.stdout).strip()}")
    return sorted((state / "cache" / "archives").glob("*.deb"))


def _unpack(archives: list[Path], tree: Path) -> None:
    for archive in archives:
        done = attempt("dpkg", "-x", str(archive), str(tree))
        if done.returncode:
            raise RuntimeError(f"`dpkg -x {archive.name}`: {done.stderr.strip()}")


def _gather(tree: Path, path: str, into: Path) -> None:
    """Copy the program and what it loads out of the tree."""
    program = tree / path
    if not program.is_file():
        raise RuntimeError(f"the package has no {path}")
    libraries = into / "lib"
    libraries.mkdir(parents=True)
    loader = next(found.resolve() for found in tree.rglob(_LOADER))
    shutil.copy2(loader, libraries / loader.name)
    search = ":".join(sorted({str(found.parent) for found in tree.rglob("*.so.*")}))
    listed = attempt(str(loader), "--library-path", search, "--list", str(program))
    for found in _LOADED.findall(listed.stdout):
        if Path(found).is_relative_to(tree) and Path(found).name != loader.name:
            shutil.copy2(found, libraries / Path(found).name)
    shutil.copy2(program, into / program.name)
    for reached in (into, libraries):
        reached.chmod(0o755)
