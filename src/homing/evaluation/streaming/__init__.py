"""Estimates over parts of a log that does not fit in memory."""
