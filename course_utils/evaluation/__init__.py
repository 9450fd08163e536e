"""Classifiers and scores: how good is what a generator draws?"""
