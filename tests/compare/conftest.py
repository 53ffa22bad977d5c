"""Fixtures of tests that write reports."""

from reports import without_matplotlib

__all__ = ["without_matplotlib"]
