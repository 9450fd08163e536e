"""Files written whole, downloads, tensors, and the state of training runs."""
