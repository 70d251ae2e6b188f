"""What can be asked of the project from Python; the command line stands on top."""
