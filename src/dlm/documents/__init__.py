"""Text <-> model. Nothing here opens a file."""
