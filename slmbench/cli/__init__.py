"""The command line: one file a command, each options, one library call and output."""
