"""The child's side of `convert.worker`: tasks that run in the built environment."""
