"""Evidence -> Provenance: checks what vouches for the bytes of an artifact, without any network."""
