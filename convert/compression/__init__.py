"""Smaller weights: palettes, integers, recipes."""
