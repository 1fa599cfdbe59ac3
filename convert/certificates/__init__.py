"""Graphs that were proved once, so that conversions with the same graph need no new proof."""
