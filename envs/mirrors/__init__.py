"""What a person says once for all projects: mirrors of the servers, and folders of models."""
