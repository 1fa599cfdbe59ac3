"""Packages opened for reading: programs, and weights read when needed."""
