"""For maintainers: the trials that a toolchain must pass before it is called tested."""
