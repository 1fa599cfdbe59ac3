"""Writes packages, splits them in two, and shares their weight files."""
