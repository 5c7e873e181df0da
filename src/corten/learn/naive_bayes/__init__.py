"""Naive Bayes classifiers."""

from corten.learn.naive_bayes._naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

__all__ = ["BernoulliNB", "GaussianNB", "MultinomialNB"]
