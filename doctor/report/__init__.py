"""One report, many renderers."""
