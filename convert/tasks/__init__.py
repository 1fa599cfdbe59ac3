"""Tasks that `convert.worker` runs in a child process, in the built environment."""
