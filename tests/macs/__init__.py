"""Tiny models of every family, converted in every form, and loaded through Core ML on a Mac."""
