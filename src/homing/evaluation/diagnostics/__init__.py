"""What can be wrong with a log, or with asking it about a policy."""
