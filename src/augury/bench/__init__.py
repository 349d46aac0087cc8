"""Measures Augury side by side with its peers."""
