"""Plots: each takes numbers and a width in pixels and returns a figure; none knows the page."""
