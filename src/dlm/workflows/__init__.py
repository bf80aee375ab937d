"""One file per verb. Only a workflow knows the order of things; it holds rooms together by the types they pass."""
