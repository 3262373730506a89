"""Loads that are killed at moments that chance chooses, and gone on with: hundreds of them, and what was killed.

    python -m tools.load_campaign [--kills 300] [--seed 1] [--server 14]

The short run is tests/live/test_load_killed.py; what must hold behind every load stands in tests/killing.py. The exit
code is 0 only where it has held behind each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from pgfast.embedded import EmbeddedServer
from tests.killing import MANNERS, SETTINGS, Campaign
from tests.versions import installation


def main() -> int:
    """Run the campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--server", type=int, help="major version of the server (default: the one by pip)")
    chosen = parser.parse_args()
    began = time.monotonic()
    programs = None if chosen.server is None else installation(chosen.server)
    with EmbeddedServer(programs, settings=SETTINGS) as server, tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(server.dsn, Path(directory), chosen.seed)
        campaign.run(chosen.kills)
    killed = ", ".join([f"{count} {kind}" for kind, count in sorted(campaign.killed.items())])
    minutes = (time.monotonic() - began) / 60
    print(f"{campaign.loads} loads of {len(MANNERS)} manners, killed: {killed}; {minutes:.1f} minutes; all was right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
