"""Downloads models given by name: resolves the name, and chooses and fetches the files."""
