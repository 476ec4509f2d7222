"""Shell completion, tried in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASH = """
source <(apiloom completion bash) || exit
COMP_WORDS=({words}) COMP_CWORD={last}
_apiloom_completion apiloom
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# Nobody sits at this terminal: the shell's own functions, which would show the words, print them instead. They see the
# caller's variables, as functions of this shell do.
ZSH = """
compdef() {{ }}
compadd() {{ print -rl -- $completions }}
_describe() {{ print -rl -- $completions_with_descriptions }}
source <(apiloom completion zsh) || exit
words=({words}) CURRENT=$(({last} + 1))
_apiloom_completion
true
"""

FISH = """
apiloom completion fish | source
complete --do-complete "{line}"
"""


def suggestions(shell: str, line: str, tmp_path: Path) -> set[str]:
    """The words that a shell suggests at the end of a line."""
    program = shutil.which(shell)
    assert program, f"{shell} is not installed: run make test-system, which installs it or says how"
    words = line.split(" ")
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    quoted = " ".join(word or "''" for word in words)
    done = subprocess.run(
        [program, "-c", script.format(words=quoted, last=len(words) - 1, line=line)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {suggestion.split("\t")[0].split(":")[0] for suggestion in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_command_is_completed(shell: str, tmp_path: Path) -> None:
    assert suggestions(shell, "apiloom ins", tmp_path) == {"inspect", "install"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_an_option_is_completed(shell: str, tmp_path: Path) -> None:
    assert suggestions(shell, "apiloom serve --std", tmp_path) == {"--stdio"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_client_is_completed(shell: str, tmp_path: Path) -> None:
    assert suggestions(shell, "apiloom install cu", tmp_path) == {"cursor"}
