"""For maintainers: compiles locks, and checks them with a second resolver."""
