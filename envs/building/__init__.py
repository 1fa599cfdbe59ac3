"""Builds environments: from a lock to a sealed environment, step by step."""
