"""Loads finished folders through Core ML itself, on a Mac, and records what was measured."""
