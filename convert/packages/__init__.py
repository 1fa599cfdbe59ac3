"""Packages: written, cut in two, sharing their weight files."""
