"""Certificates: graphs proved once at full size, for everybody."""
