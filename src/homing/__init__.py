"""Homing decides which message reaches which user, through which channel and when."""
