"""`python -m pbx_bridge.trainer`: the same as pbx-bridge join, list, fetch and play."""

from pbx_bridge.trainer.cli import main

raise SystemExit(main())
