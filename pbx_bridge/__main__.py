"""`python -m pbx_bridge` is `pbx-bridge`."""

import sys

from pbx_bridge.cli import main

sys.exit(main())
