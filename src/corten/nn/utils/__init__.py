"""Thin aliases under PyTorch's names."""
