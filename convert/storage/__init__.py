"""Opens packages for reading: their programs, and their weights on demand."""
