"""A folder in pieces, and put together elsewhere."""

from __future__ import annotations

from pathlib import Path

from model_service.batch.ray.shipping import ship, ship_file, unpack

PIECE_BYTES = 32 << 20


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Store:
    """Pieces by number, as Ray has them by reference."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def put(self, piece: bytes) -> int:
        self.pieces.append(piece)
        return len(self.pieces) - 1

    def get(self, ticket: int) -> bytes:
        return self.pieces[ticket]


def test_a_package_arrives_as_it_was(tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "variables").mkdir(parents=True)
    (here / "empty").write_bytes(b"")
    (here / ".hidden").write_bytes(b"\0\1")
    (here / "variables" / "data").write_bytes(bytes(range(256)) * (PIECE_BYTES // 256) + b"end")
    tool = here / "tool.sh"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    store = Store()
    unpack(ship(here, store.put), tmp_path / "there", store.get)
    assert contents(tmp_path / "there") == contents(here)
    assert (tmp_path / "there" / "tool.sh").stat().st_mode & 0o111
    assert max(map(len, store.pieces)) == PIECE_BYTES


def test_links_are_followed_once_and_caches_stay_at_home(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "words.txt").write_text("one two")
    (here / "__pycache__").mkdir()
    (here / "__pycache__" / "helper.pyc").write_bytes(b"stale")
    (here / "assets").symlink_to(elsewhere)
    (here / "words.txt").symlink_to(elsewhere / "deep" / "words.txt")
    (elsewhere / "up").symlink_to(here)
    (here / "gone").symlink_to(tmp_path / "nowhere")
    store = Store()
    unpack(ship(here, store.put), tmp_path / "there", store.get)
    assert contents(tmp_path / "there") == {"assets/deep/words.txt": b"one two", "words.txt": b"one two"}
    assert not any(path.is_symlink() for path in (tmp_path / "there").rglob("*"))


def test_one_file_under_another_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    store = Store()
    unpack([ship_file(file, "customize_service.py", store.put)], tmp_path / "there", store.get)
    assert contents(tmp_path / "there") == {"customize_service.py": b"x = 1\n"}
