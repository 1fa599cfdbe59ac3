"""Pythons: found on this machine, and made into empty environments."""
