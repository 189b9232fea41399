"""Let benchmarks import their helpers, and keep warnings of peers from failing them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
