"""Finds Pythons on this machine, and makes empty virtual environments with them."""
