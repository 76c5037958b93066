"""Nothing in this folder is a test of the suite."""

collect_ignore_glob = ["*"]
