"""Runs written programs and compares them with their torch modules; needs torch."""
