"""Somebody who trains: in this process, in a worker, or put together from several."""
