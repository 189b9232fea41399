"""Shared by all topics: results, reports, figures, and the table of topics."""
