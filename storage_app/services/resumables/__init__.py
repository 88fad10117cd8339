"""Resumable uploads (tus 1.0.0): created, sent in pieces, and finished as files like any other."""
