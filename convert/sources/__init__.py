"""Models that other programs keep on this machine, found by name."""
