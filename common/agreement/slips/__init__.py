"""Known slips as formulas, one file per component, as in `backends/`."""
