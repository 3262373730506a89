"""Tests of the connections' floor that need no server."""
