"""Writes another program's command line over its own and then becomes desk.py in red; or changes its folder first.

Argument 1: `folder` (change into argument 2, keep a relative name) or `options` (nothing else).
"""

from __future__ import annotations

import os
import runpy
import sys

how, where = sys.argv[1], sys.argv[2]
if how == "folder":
    os.chdir(where)
sys.argv = ["desk.py", "--colour", "#ff0000", "--geometry", "480x360+100+100"]
runpy.run_path(os.path.join(where, "desk.py"), run_name="__main__")
