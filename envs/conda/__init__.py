"""The conda backend: installs conda packages as a prefix, without needing conda."""
