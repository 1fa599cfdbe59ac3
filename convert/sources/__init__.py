"""Finds models that other programs keep on this machine, by their names."""
