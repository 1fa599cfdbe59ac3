"""Floor 0: errors, paths, locks and atomic writes. Imports nothing else from this project."""
