"""Uses the studio's page in headless Chromium, before a fake of its server."""
