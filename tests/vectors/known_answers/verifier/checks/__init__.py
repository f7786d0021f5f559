"""One checker for each kind of known-answer file, after the verification steps of its format."""
