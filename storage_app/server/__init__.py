"""gunicorn, and everything that depends on it. No other part of the application imports it.

The service also runs on gunicorn's own `gthread` worker (`WORKER=gthread`): slower, with identical answers.
"""
