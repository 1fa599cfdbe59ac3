"""Checkpoint containers: read without running a pickle, written as a stream."""
