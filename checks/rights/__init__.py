"""Check every policy of every stack against AWS's Service Authorization Reference."""
