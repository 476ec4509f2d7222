"""The platform's commands: a person or a script as a client of the admin API. Each module is loaded when it is used."""
