"""Certificates of proved graphs, so that conversions with the same graph need no new proof."""
