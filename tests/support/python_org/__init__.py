"""A stand-in for python.org: every name that public records quote from below /ftp/python/, with made-up bodies."""
