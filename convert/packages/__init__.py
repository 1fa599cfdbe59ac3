"""Writes packages, splits them into halves, and shares their weight files."""
