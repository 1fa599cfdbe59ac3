"""Maintains finished environments: repair, relinking, archives, garbage collection."""
