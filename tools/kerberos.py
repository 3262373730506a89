"""Install what the tests of GSSAPI need and pip does not bring: Kerberos' programs, and the headers that the library's
binding is built with.

For Debian and Ubuntu, as root: python3 -m tools.kerberos. What is there already stays as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

PACKAGES: Final = ("krb5-kdc", "krb5-admin-server", "krb5-user", "libkrb5-dev")


def main() -> None:
    """Install the packages. Ends with apt-get's own status where that fails."""
    if shutil.which("apt-get") is None:
        sys.exit(f"there is no apt-get; the packages are called {', '.join(PACKAGES)} on Debian")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ("--yes", "--no-install-recommends", "--no-upgrade", "--quiet")
    for command in (("update", "--quiet"), ("install", *options, *PACKAGES)):
        done = subprocess.run(["apt-get", *command], env=environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
