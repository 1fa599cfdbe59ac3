"""What earlier conversions made, by what it was made from; nothing is ever found by a name."""
