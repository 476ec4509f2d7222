"""Who answers: implementations of the `calls.ports.Backend` port, one folder each."""
