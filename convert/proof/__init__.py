"""How a written program is proved, and the audit of its weights; needs no torch."""
