"""Graphs that were proved once, so that a conversion with the same graph needs no second proof."""
