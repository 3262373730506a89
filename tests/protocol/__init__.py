"""Tests of the protocol floor: no socket, bytes in and events out."""
