"""gunicorn, and all that leans on it. Nothing else in this package imports it, or knows that it is there.

The service runs on gunicorn's own `gthread` worker as well (`WORKER=gthread`): slower, with the same answers.
"""
