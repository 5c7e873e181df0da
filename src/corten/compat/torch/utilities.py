"""``torch.utils``: what is there is in its modules."""
