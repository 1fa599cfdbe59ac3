"""Plans conversions (jobs), runs them, records them in a manifest, and verifies the results."""
