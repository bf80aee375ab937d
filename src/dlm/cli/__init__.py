"""The border: the only part that touches terminal, environment, clock and the process's signals."""
