"""Settings for all projects: mirrors of servers, and folders of models."""
