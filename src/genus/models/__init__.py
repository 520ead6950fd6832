"""Every model, one file each; families never import each other."""
