"""For maintainers: compiling locks, and a second opinion on them."""
