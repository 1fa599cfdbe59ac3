"""Makes certificates: records of graphs that were proved once at full size, for all users."""
