"""The steps of `.github/workflows`: each is a program that also runs outside GitHub."""
