"""For maintainers: trials that a toolchain passes before it is called tested."""
