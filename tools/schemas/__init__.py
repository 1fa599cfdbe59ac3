"""Writes the JSON Schemas of outputs that follow from our types; the others are literal files."""
