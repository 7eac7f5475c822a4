"""Intervals beyond the normal one, clustered by user."""
