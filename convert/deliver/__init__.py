"""Brings finished folders to where apps look for them, and packs them for others."""
