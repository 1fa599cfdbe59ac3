"""Malicious changes to a finished folder, with adapted digests: verification must find all."""
