"""Is a service healthy? Exit code 0 when it answers: `socket PATH` (the keeper) or `tls PORT ...` (the bridge).

It asks only whether somebody answers. Whether the PBX is linked, or the clock in doubt, says `GET /api/v1/health` to whoever
watches with a token, and `pbx-bridge doctor`: a container that is restarted for it would lose what a waiting bridge keeps.
"""

import socket
import ssl
import sys

WITHIN_S = 3.0


def main(kind: str, *places: str) -> None:
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(WITHIN_S)
            one.connect(places[0])
        return
    anybody = ssl._create_unverified_context()  # whether it shakes hands at all: nothing is said
    for port in places:
        with (
            socket.create_connection(("127.0.0.1", int(port)), WITHIN_S) as one,
            anybody.wrap_socket(one),
        ):
            pass


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"{' '.join(sys.argv[1:])}: {error}")
