"""A real S3 server."""

from __future__ import annotations

from bucket_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]
