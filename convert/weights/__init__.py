"""Reads checkpoints without running pickles, and writes them as a stream."""
