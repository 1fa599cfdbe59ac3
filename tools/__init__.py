"""For maintainers, outside of the wheel: certificates and generated pages."""
