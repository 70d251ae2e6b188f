"""Why a tensor is wrong: one hypothesis that explains it on two batches, or nothing."""
