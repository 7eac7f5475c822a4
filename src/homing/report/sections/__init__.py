"""Sections of the page: each turns a part of the facts into sentences, plots and tables."""
