"""The networks and the sampling loop, in plain torch: named numbers and tensors in, tensors out."""
