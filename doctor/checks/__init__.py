"""Checks by family: pure functions from facts to findings."""
