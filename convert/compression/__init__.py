"""Compresses weights to palettes or integers, according to a recipe."""
