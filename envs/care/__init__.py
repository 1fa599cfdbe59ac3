"""Care of finished environments: repaired, relinked, archived, collected."""
