"""Which leaves of a reference make each leaf of a port, and how."""
