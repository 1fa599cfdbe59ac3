"""The conda backend: packages laid out as a prefix, without a conda."""
