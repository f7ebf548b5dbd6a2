"""A notebook has a current project and a current board; a plain program has neither, and its modules stay unchanged."""

import shutil
import subprocess
import sys

import pytest
from board_projects import MODEL_FILES, built, make
from conftest import require
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgekit import board as boards
from edgekit import firmware
from edgekit.board.transport import start_simulator, stop_simulator
from edgekit.notebook import magics
from edgekit.notebook.session import Session, this_notebook


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    require("g++")
    project = make(tmp_path_factory.mktemp("session") / "project")
    built(project)
    return project


@pytest.fixture
def session():
    """A notebook's session, which hears of projects."""
    session = Session()
    session.listen()
    yield session
    session.stop_listening()
    session.release()


def test_a_board_whose_program_stopped_says_so_and_the_next_use_starts_it_again(project, session):
    firmware.open_project(project.directory)
    board = session.board()
    board.transport._process.kill()
    with pytest.raises(boards.BoardError, match="stopped"):
        board.classify([0, 1])
    with pytest.raises(boards.BoardError, match="closed"):
        board.classify([0, 1])
    assert session.board().classify([0, 1]).scores == pytest.approx([1])


def test_the_notebooks_board_stays_open_until_released(project, session):
    firmware.open_project(project.directory)
    board = session.board()
    assert session.board() is board
    session.release()
    assert board.closed


def test_the_current_project_is_the_last_one_that_was_made_or_opened(project, session, tmp_path):
    with pytest.raises(firmware.FirmwareError, match=r"make one with edgekit\.firmware\.create"):
        session.project()
    made = make(tmp_path / "project")
    assert session.project() is made
    assert session.project() is not firmware.open_project(project.directory)
    assert session.project().directory == project.directory
    with session.unchanged():
        make(tmp_path / "another")
    assert session.project().directory == project.directory


def test_making_a_project_in_a_plain_program_changes_no_global(tmp_path):
    """Nor does simulating a board: the variables of all modules of firmware and board stay what they were."""
    code = f"""
import sys
import edgekit
from edgekit import board, firmware

def variables():
    modules = [name for name in sys.modules if name.startswith(("edgekit.firmware", "edgekit.board"))]
    assert len(modules) > 10
    return {{
        (module, name): (id(value), repr(value) if isinstance(value, list | dict | set) else None)
        for module in modules
        for name, value in vars(sys.modules[module]).items()
        if not name.startswith("__")
    }}

before = variables()
project = firmware.create("xormodel", {str(tmp_path / "project")!r}, {[str(path) for path in MODEL_FILES]!r})
firmware.open_project(project.directory)
try:
    board.simulate(project)
except board.BoardError:
    pass  # it is not built
assert variables() == before
assert firmware.observers == []
assert "edgekit.notebook.session" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_old_notebooks_find_the_session_under_its_former_names(project):
    this_notebook.listen()
    try:
        opened = firmware.open_project(project.directory)
        assert firmware.current() is opened
        boards.use("sim")
        assert boards.locate("sim") is None
        board = boards.current()
        assert board.simulated
        assert boards.current() is this_notebook.board()
        boards.release()
        assert board.closed
        with boards.find(opened, "sim") as found:
            assert found.classify([1, 0]).scores == pytest.approx([1])
        with pytest.raises(boards.BoardError, match="plugged in"):
            boards.check_port("/dev/ttyNOTHERE")
    finally:
        this_notebook.stop_listening()
        this_notebook.use()


def test_a_kernel_that_was_restarted_finds_the_project_beside_the_notebook(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("")
    (tmp_path / "a folder").mkdir()
    with pytest.raises(firmware.FirmwareError, match="there is no firmware project yet"):
        Session().project()
    shutil.copytree(project.directory, tmp_path / "firmware")
    assert Session().project().directory == tmp_path / "firmware"
    shutil.copytree(project.directory, tmp_path / "other")
    with pytest.raises(firmware.FirmwareError, match=r"several firmware projects here: open firmware, other with"):
        Session().project()


def test_a_name_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"edgekit\.board.* has no attribute 'curent'"):
        _ = boards.curent
    with pytest.raises(AttributeError, match=r"edgekit\.firmware.* has no attribute 'curent'"):
        _ = firmware.curent


def test_flash_opens_the_board_that_it_flashed_also_when_another_is_plugged_in_meanwhile(project, monkeypatch, capsys):
    """Two boards, of which one is plugged in first, and the other takes its place while the program is written."""
    first, first_port = start_simulator(project.program())
    second, second_port = start_simulator(project.program())
    plugged_in = [first_port]
    flashed = []

    def upload(self, env, port, on_line):  # needs Espressif's tools and a board
        flashed.append((env, port))
        plugged_in[:] = [second_port]

    monkeypatch.setattr(list_ports, "comports", lambda: [esp_eye(port) for port in plugged_in])
    monkeypatch.setattr(firmware.Project, "upload", upload)
    this_notebook.use_project(project)
    try:
        magics._flash("")
        assert flashed == [("esp_eye", first_port)]
        assert this_notebook.board().transport.name == first_port
        assert f"Building for the board at {first_port}." in capsys.readouterr().out
        this_notebook.release()
        assert this_notebook.board().transport.name == second_port  # afterwards it looks again
    finally:
        this_notebook.use()
        for process in (first, second):
            stop_simulator(process)


def test_flash_without_a_board_opens_the_simulated_one_also_when_one_is_plugged_in_meanwhile(project, monkeypatch):
    process, port = start_simulator(project.program())
    plugged_in = []
    monkeypatch.setattr(list_ports, "comports", lambda: [esp_eye(port) for port in plugged_in])
    monkeypatch.setattr(firmware.Project, "upload", lambda *arguments, **options: plugged_in.append(port))
    this_notebook.use_project(project)
    try:
        magics._flash("")
        assert this_notebook.board().simulated
    finally:
        this_notebook.use()
        stop_simulator(process)


def esp_eye(port):
    info = ListPortInfo(port)
    info.vid, info.pid = 0x10C4, 0xEA60
    return info
