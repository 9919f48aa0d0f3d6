# SPDX-License-Identifier: MIT
"""stress-ng --verify, each stressor by itself for two seconds, as an ordinary user."""
import os
import re

import suite

IMAGE = os.path.join(suite.BUILD, "suites.ext2")
LIST = os.path.join(suite.OUT, "stress.names")


def names():
    """The stressors of the program in the image, as it lists them itself; asked for once."""
    if not os.path.exists(LIST) or os.path.getmtime(LIST) < os.path.getmtime(IMAGE):
        os.makedirs(suite.OUT, exist_ok=True)
        with suite.guest.VM("maestro", IMAGE, init="/bin/bash", log="suite-stress-names") as vm:
            vm.shell(300)
            words = vm.check("stress-ng --stressors 2>/dev/null").split()
        with open(LIST, "w") as f:
            f.write("\n".join(sorted(words)) + "\n")
    with open(LIST) as f:
        return f.read().split()


def command(name):
    return "exec stress-ng --verify --oomable --metrics -t 2 --%s 1" % name


def judge(status, out):
    bad = re.findall(r"(?m)^stress-ng: (?:fail|error): +\[\d+\] (.*)$", out)
    # 3 and 4: what it needs is not there (a node of sysfs, a device, a system call), or it is for root, or for who asks for danger
    if "No stress workers invoked" in out or not bad and (status in (3, 4) or status == 0 and "skipping stressor" in out):
        return suite.SKIP, {}
    if status or bad:
        return suite.FAIL, {"failed": {"said": " | ".join(bad)[:300] or "status %d" % status}}
    return suite.PASS, {}


SUITE = suite.Suite("stress", "stress-ng --verify", IMAGE, names, command, judge, limit=lambda name: 180)
