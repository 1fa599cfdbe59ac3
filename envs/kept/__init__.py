"""Environments as they are kept: store, manifest, verification."""
