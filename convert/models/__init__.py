"""Reads models: their layout, components, family and faults, from folders and files."""
