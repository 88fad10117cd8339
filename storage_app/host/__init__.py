"""What this machine gives: files, locks, processors. Nothing here knows a bucket or a file of ours."""
