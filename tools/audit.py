"""Ask the advisory service about every package of the runtime lock, and believe only real answers.

``pip-audit`` says "no known vulnerabilities" and ends with 0 also when it could ask about nothing at all; so its report
is read here, and a package without an answer is a failure like a package with an advisory.
"""

from __future__ import annotations

import json
import subprocess
import sys

asked = subprocess.run(
    [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", "locks/runtime.txt", "-f", "json"],
    stdout=subprocess.PIPE,
    check=False,
)
if not asked.stdout.strip():
    sys.exit("audit: the advisory service gave no answer, so nothing was checked; try again with a network")
packages = json.loads(asked.stdout)["dependencies"]
unanswered = [package["name"] for package in packages if "vulns" not in package]
advisories = [
    f"{package['name']} {package['version']}: {advisory['id']}, mended in {advisory['fix_versions'] or 'none yet'}"
    for package in packages
    for advisory in package.get("vulns", [])
]
for line in advisories:
    print(f"audit: {line}")
if unanswered or not packages:
    sys.exit(f"audit: no answer about {', '.join(unanswered) or 'any package'}, so this is no all-clear")
print(f"audit: {len(packages)} packages checked, {len(advisories)} advisories")
sys.exit(bool(advisories))
