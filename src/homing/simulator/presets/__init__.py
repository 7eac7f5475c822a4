"""Worlds that are shipped, one file each."""
