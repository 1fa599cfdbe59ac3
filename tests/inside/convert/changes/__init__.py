"""Changes to a finished folder that somebody could make, digests mended: all must be found."""
