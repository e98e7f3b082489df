"""A process that Ray's raylet takes for one of its agents, and that does nothing.

A raylet starts two agents, waits until each has written its ports, and ends if one of them ends.
One serves the dashboard and metrics, the other builds runtime environments. A Ray of our own has
neither, and to start them takes over a second. This program imports nothing of Ray; it is run by
its path: `python idle_agent.py KIND --node-id=... --session-dir=...`.
"""

import os
import sys
import time

#: The files that the raylet waits for, by agent; a port of -1 says that there is no such service.
FILES = {
    "dashboard": ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"),
    "runtime-env": ("runtime_env_agent_port",),
}


def main() -> None:
    """Write the files, and wait until the raylet has ended."""
    raylet = os.getppid()
    kind, *options = sys.argv[1:]
    given = dict(option[2:].split("=", 1) for option in options if "=" in option)
    for name in FILES[kind]:
        path = os.path.join(given["session-dir"], f"{name}_{given['node-id']}")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write("-1")
        os.replace(path + ".new", path)
    while os.getppid() == raylet:
        time.sleep(1)


if __name__ == "__main__":
    main()
