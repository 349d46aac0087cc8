"""The sections of a configuration, one a file."""
