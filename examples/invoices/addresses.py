"""Where the engines are: those of `twinsaga up --only temporal,kafka,redis`, unless the environment names others."""

import os

TEMPORAL = os.environ.get("TEMPORAL", "127.0.0.1:7233")
KAFKA = os.environ.get("KAFKA", "127.0.0.1:9092")
REDIS = os.environ.get("REDIS", "redis://127.0.0.1:6379")
