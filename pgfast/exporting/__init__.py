"""Data out of a server: into files, and into another server."""

from __future__ import annotations
