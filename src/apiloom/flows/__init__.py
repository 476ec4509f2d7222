"""What the gateway does when somebody asks it to change: the same for the admin API, the command line and agents."""
