"""What both sides promise: backends, plans, entrants, models, optimisers, labels, tensors."""
