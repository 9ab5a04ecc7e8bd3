"""From a pull request to production: the steps of `.github/workflows`, each a program that runs anywhere."""
