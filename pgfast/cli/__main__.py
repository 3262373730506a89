"""`python -m pgfast.cli`, where the script is not on PATH."""

from __future__ import annotations

from . import main

main()
