"""Other programs, run with a clean environment: installers, and what their failures mean."""
