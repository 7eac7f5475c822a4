"""Estimators of a mean outcome under a target policy, one decision or one slate at a time."""
