"""Tests of the codec pair."""
