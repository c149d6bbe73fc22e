"""Making a job's inputs."""
