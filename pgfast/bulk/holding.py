"""A file that one load at a time writes, whichever process it is in.

Law of this file: whoever writes a file holds another beside it, whose name ends in `.lock`, and the system lets that go
when its process ends, however it ends. So a lock file that was left by a client that was killed stands in nobody's way;
it is taken over, and goes with its last holder.

Sources: flock(2), which NFS has between machines too; Windows: FILE_FLAG_DELETE_ON_CLOSE.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from ..errors import InterfaceError

if sys.platform != "win32":
    import fcntl


class Hold:
    """The right to write a file."""

    def __init__(self, path: Path) -> None:
        """Raises InterfaceError where somebody else has it."""
        self._beside = path.with_name(path.name + ".lock")
        try:
            self._number = _held(self._beside)
        except (BlockingIOError, FileExistsError):
            text = f"another load is writing {path}; name a file of its own for each load that runs at one time"
            raise InterfaceError(text) from None

    def close(self) -> None:
        """Let it go."""
        if sys.platform != "win32":
            self._beside.unlink(missing_ok=True)  # while it is held: the next holder makes another
        os.close(self._number)


if sys.platform == "win32":

    def _held(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TEMPORARY)

else:

    def _held(path: Path) -> int:
        """The descriptor of the lock file, held. Raises BlockingIOError where somebody holds it."""
        while True:
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(number), os.stat(path)):
                        return number
            except BaseException:
                os.close(number)
                raise
            os.close(number)  # its holder has just thrown it away
