"""Certificates of proved graphs: a conversion with a certified graph needs no proof of its own."""
