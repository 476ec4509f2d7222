"""Where people sit: the command line now, REST and pages later."""
