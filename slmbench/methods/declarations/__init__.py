"""Declarations of the built-in methods; importing them imports no training library."""
