"""One folder per framework, the same files in each, written to be read in columns."""
