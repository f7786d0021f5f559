"""The command line: one file per command family, loaded when one of its commands is named."""
