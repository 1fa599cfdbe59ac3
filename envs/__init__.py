"""Floor 2: builds, verifies and keeps environments. Knows nothing of the commands that call it."""
