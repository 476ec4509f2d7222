"""Who answers upstream. One folder for each kind; they never import each other."""
