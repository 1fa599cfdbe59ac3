"""Fetches models given by name: resolves the name, chooses the needed files, downloads them."""
