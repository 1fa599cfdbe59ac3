"""The upstream converter's repository: obtained at its tested commit, checked, repaired."""
