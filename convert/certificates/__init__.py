"""Certificates of proved graphs: a program whose graph has one needs no proof by running it."""
