"""Values: frozen, checked at birth, without I/O, clock or environment."""
