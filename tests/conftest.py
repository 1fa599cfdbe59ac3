"""Settings of every test, here and inside the built environment."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The machines are small and busy: a slow example says nothing about the code.
settings.register_profile(
    "house", deadline=None, suppress_health_check=(HealthCheck.too_slow,), print_blob=True
)
settings.load_profile("house")
