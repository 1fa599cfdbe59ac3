"""The upstream converter at its tested commit: read without git, proved, obtained, repaired."""
