"""Train one model in several frameworks and prove whether they agree.

python compare.py --backends torch jax mindspore numpy
"""

import sys

from common.cli import main

if __name__ == "__main__":
    sys.exit(main())
