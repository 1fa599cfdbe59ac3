"""The user's settings: mirrors to download from, and folders of models."""
