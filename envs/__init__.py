"""Floor 2: lock, plan, build aside, verify, seal, swap. Never knows who asks."""
