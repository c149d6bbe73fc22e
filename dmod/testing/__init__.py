"""For authors of plug-ins: contracts as test classes, tiny rivers with known answers."""
