"""What goes around a researcher's own image: a Dockerfile, and the runtime with an interpreter of its own."""
