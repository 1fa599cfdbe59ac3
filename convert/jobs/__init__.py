"""Jobs: plans conversions, runs them, and records them in a manifest."""
