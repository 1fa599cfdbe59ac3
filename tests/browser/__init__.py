"""Looks at every kind of page in a browser, which nothing but a browser can judge."""
