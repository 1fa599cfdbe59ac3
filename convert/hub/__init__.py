"""Models that are named and not here: what a name means, which files are needed, how they come."""
