"""python -m workstation_client"""

from workstation_client.cli import main

raise SystemExit(main())
