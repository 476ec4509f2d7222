import io
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from apiloom import __version__
from apiloom.base import json
from apiloom.base.errors import CallerError, DesignError, HouseFault, UpstreamError
from apiloom.console.cli.later import PLATFORM
from support.fake_house import Desk


def test_help_lists_the_commands_in_the_order_a_newcomer_needs_them(tmp_path, capsys):
    assert Desk(tmp_path).run("--help") == 0
    out = capsys.readouterr().out
    places = [out.index(f"\n  {word} ") for word in ("serve", "inspect", "call", "export", "install", "completion")]
    assert places == sorted(places)


def test_no_words_at_all_print_the_help_and_are_no_failure(tmp_path, capsys):
    assert Desk(tmp_path).run() == 0
    assert "Usage: apiloom" in capsys.readouterr().out


def test_the_version_is_told(tmp_path, capsys):
    assert Desk(tmp_path).run("--version") == 0
    assert capsys.readouterr().out == f"apiloom {__version__}\n"


@pytest.mark.parametrize("word", PLATFORM)
def test_a_word_of_the_platform_is_known_and_says_that_it_comes_later(tmp_path, capsys, word):
    assert Desk(tmp_path).run(word, "list", "--anything", "-f", "x") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"apiloom: the command {word} comes with a later release of apiloom: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "code"), [(DesignError, 1), (CallerError, 2), (UpstreamError, 3), (HouseFault, 70)]
)
def test_each_kind_of_error_has_its_exit_code_and_one_line(tmp_path, capsys, failure, code):
    desk = Desk(tmp_path, failure=failure("it went\nwrong", code="a.b", hint="do this"))
    assert desk.run("inspect", "x.yaml") == code
    assert capsys.readouterr() == ("", "apiloom: it went wrong: do this\n")


def test_an_error_for_a_program_is_one_json_line_on_standard_error(tmp_path, capsys):
    desk = Desk(tmp_path, failure=DesignError("bad", code="document.bad", hint="mend it", secret="s3cret"))
    assert desk.run("inspect", "x.yaml", "--json") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {"error": {"code": "document.bad", "message": "bad", "hint": "mend it"}}


def test_a_usage_error_for_a_program_is_json_too(tmp_path, capsys):
    assert Desk(tmp_path).run("inspect", "--json") == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "cli.usage"


def test_a_usage_error_for_a_person_is_one_line_with_where_to_look(tmp_path, capsys):
    assert Desk(tmp_path).run("inspect", "x.yaml", "--nonsense") == 2
    err = capsys.readouterr().err
    assert err.startswith("apiloom: no such option")
    assert err.endswith(": apiloom inspect --help explains\n")
    assert err.count("\n") == 1


def test_an_unknown_command_is_a_usage_error(tmp_path, capsys):
    assert Desk(tmp_path).run("frobnicate") == 2
    assert "frobnicate" in capsys.readouterr().err


def test_an_unexpected_failure_shows_no_traceback_unless_asked(tmp_path, capsys):
    desk = Desk(tmp_path, failure=RuntimeError("token=abc"))
    assert desk.run("inspect", "x.yaml") == 70
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--debug" in err
    assert "abc" not in err
    assert desk.run("inspect", "x.yaml", "--debug") == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(tmp_path):
    assert Desk(tmp_path, failure=KeyboardInterrupt()).run("serve", "x.yaml") == 130


def test_control_characters_of_a_document_do_not_reach_the_terminal(tmp_path, capsys):
    desk = Desk(tmp_path, failure=DesignError("a \x1b[31mred\x07 title", code="a.b"))
    desk.run("inspect", "x.yaml")
    assert capsys.readouterr().err == "apiloom: a [31mred title\n"


def test_progress_is_silent_when_standard_error_is_no_terminal(tmp_path, capsys):
    assert Desk(tmp_path).run("inspect", "x.yaml", "--json") == 0
    assert capsys.readouterr().err == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_that_is_wiped_and_never_on_standard_output(tmp_path, capsys, monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert Desk(tmp_path).run("inspect", "x.yaml", "--json") == 0
    assert "reading x.yaml" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")
    assert "reading" not in capsys.readouterr().out


def test_a_dumb_terminal_gets_no_progress(tmp_path, capsys, monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert Desk(tmp_path, environment={"TERM": "dumb"}).run("inspect", "x.yaml", "--json") == 0
    assert terminal.getvalue() == ""


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path):
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from support.fake_house import Desk, catalog, tool
        tools = [tool(f"tool_{{n}}") for n in range(3000)]
        sys.exit(Desk(Path({str(tmp_path)!r}), catalog=catalog(*tools)).run("inspect", "x.yaml", "--json"))
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    with process.stderr as errors:
        assert (process.wait(timeout=30), errors.read()) == (141, b"")


def test_an_ascii_terminal_shows_what_it_can(tmp_path):
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from support.fake_house import Desk, catalog, tool
        tools = [tool("add", path="/bücher/" + "x" * 300) for n in range(1)]
        sys.exit(Desk(Path({str(tmp_path)!r}), catalog=catalog(*tools)).run("inspect", "x.yaml"))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env={"PYTHONIOENCODING": "ascii"}, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"/b?cher/" in done.stdout


def test_help_and_start_up_load_no_heavy_library():
    script = (
        "import sys; import apiloom.console.cli.run; "
        "heavy = {'rich', 'pyreqwest', 'jsonschema_rs', 'uvicorn', 'pydantic', 'yaml_rs', 'asyncio'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_is_printed(tmp_path, capsys, shell):
    assert Desk(tmp_path).run("completion", shell) == 0
    assert "_APILOOM_COMPLETE" in capsys.readouterr().out


def test_the_completion_script_of_the_shell_in_use_is_the_default(tmp_path, capsys):
    desk = Desk(tmp_path, environment={"SHELL": "/usr/bin/fish"})
    assert desk.run("completion") == 0
    assert "complete --no-files --command apiloom" in capsys.readouterr().out


def test_an_unknown_shell_is_asked_for(tmp_path, capsys):
    assert Desk(tmp_path, environment={"SHELL": "/bin/tcsh"}).run("completion") == 2
    assert "name bash, zsh or fish" in capsys.readouterr().err


def test_the_shell_completes_commands_and_leaves_files_to_itself(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("_APILOOM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "apiloom ins")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert Desk(tmp_path).run() == 0
    assert capsys.readouterr().out.split() == ["plain,inspect", "plain,install"]
    monkeypatch.setenv("COMP_WORDS", "apiloom inspect open")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert Desk(tmp_path).run() == 0
    assert capsys.readouterr().out.split() == ["file,open"]


def test_a_name_that_is_no_text_is_told_to_a_program_all_the_same(tmp_path, capsys):
    failure = DesignError("there is no file a\udcff.yaml", code="document.not_found", hint="look")
    assert Desk(tmp_path, failure=failure).run("inspect", "a.yaml", "--json") == 1
    assert json.loads(capsys.readouterr().err)["error"]["message"] == "there is no file a?.yaml"
