"""Speed and memory of a whole clip, ours beside a peer's on the same weights: one command, one JSON row."""
