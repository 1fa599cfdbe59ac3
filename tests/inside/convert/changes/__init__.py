"""Deliberate changes to a finished folder, with matching digests: `verify` must find each."""
