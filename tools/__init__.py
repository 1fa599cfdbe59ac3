"""Tools for maintainers, not part of the wheel: certificates and generated pages."""
