"""What a person sees: terminal, page, notebook."""
