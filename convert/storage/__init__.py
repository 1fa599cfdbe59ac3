"""Opens packages for reading: their programs, and weights on demand."""
