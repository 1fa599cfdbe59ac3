"""Finished environments on disk: their folder, manifests, verification."""
