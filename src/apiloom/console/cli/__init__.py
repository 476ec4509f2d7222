"""The command line: ``run.run(house, argv)`` is its door, each command has a file of its own."""
