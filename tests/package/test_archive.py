"""Reading archives: each byte counts, and nothing hostile gets out of its folder or is left behind."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from model_packaging.archive import write_archive
from model_service.errors import PackageError
from model_service.package.archive import ArchiveRefused, Target, opened_package, read_archive, unpack, verify
from model_service.package.archive_frame import (
    BLOCK_BYTES,
    GZIP_HEADER,
    SEAL_BYTES,
    ending,
    file_header,
    padding,
    seal,
)
from model_service.package.manifest import MANIFEST_NAME, parse_manifest

NOISE = hashlib.sha512(b"noise").digest() * 8  # repeats, so that deflate makes references
RANDOM = b"".join(hashlib.sha512(bytes([index])).digest() for index in range(32))
FILES = {
    "config.json": b'{"model_type": "TensorFlow"}',
    "customize_service.py": b"class Service:\n    pass\n",
    "labels/\u6570\u5b57.txt": b"one\ntwo\n",
    "noise.bin": NOISE,
    "random.bin": RANDOM,
    "empty": b"",
}


def write_package(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    package = write_package(folder / "digits", FILES)
    return write_archive(package, folder / "digits.tar.gz").path


def entry(content: bytes, **more: Any) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}


def make_manifest(files: dict[str, Any], **more: Any) -> bytes:
    content = {"format": "model-service-package", "format_version": 1, "files": files, **more}
    return json.dumps(content).encode()


def sealed(manifest: bytes, tar: bytes, end: bytes | None = None, level: int = 9) -> bytes:
    """An archive whose frame is right, whatever is in it."""
    whole = file_header(MANIFEST_NAME, len(manifest), False) + manifest + padding(len(manifest)) + tar
    whole += ending(len(whole)) if end is None else end
    squeezed = gzip.compress(whole, level, mtime=0)
    member = GZIP_HEADER + squeezed[len(GZIP_HEADER) :]
    return member + seal(hashlib.sha256(manifest).digest(), hashlib.sha256(member).digest())


def member(path: str, content: bytes, executable: bool = False) -> bytes:
    return file_header(path, len(content), executable) + content + padding(len(content))


def foreign(name: str, kind: bytes, **more: Any) -> bytes:
    """A header as tarfile writes it, of any kind."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.USTAR_FORMAT)


def refusal(content: bytes, tmp_path: Path) -> str:
    """What is said of an archive of these bytes; nothing is left of it."""
    path = tmp_path / "hostile.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ArchiveRefused) as caught:
        unpack(path, tmp_path / "there" / "package")
    assert list((tmp_path / "there").iterdir()) == []
    with pytest.raises(ArchiveRefused) as other:
        verify(path)
    assert str(other.value) == str(caught.value)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_what_is_unpacked_is_what_was_packed(archive: Path, tmp_path: Path) -> None:
    folder = unpack(archive, tmp_path / "there")
    found = contents(folder)
    found.pop(MANIFEST_NAME)
    assert found == {f"model/{name}": content for name, content in FILES.items()}
    assert verify(archive).manifest.total_bytes == sum(map(len, FILES.values()))


def test_other_tools_unpack_it_too(archive: Path, tmp_path: Path) -> None:
    for name, command in {
        "gnu": ["tar", "-xzf", str(archive), "-C"],
        "python": ["python3", "-m", "tarfile", "-e", str(archive)],
    }.items():
        (tmp_path / name).mkdir()
        done = subprocess.run([*command, str(tmp_path / name)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert contents(tmp_path / name) == contents(unpack(archive, tmp_path / f"{name}-ours"))


def test_a_flipped_bit_anywhere_is_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    for index in range(len(whole)):
        changed = bytearray(whole)
        changed[index] ^= 1 << (index % 8)
        with pytest.raises(ArchiveRefused, match=r"changed or damaged|was not made by|not a folder"):
            read_archive(io.BytesIO(changed), archive, Target())


def test_a_cut_anywhere_and_anything_after_the_end_are_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    for length in range(len(whole)):
        with pytest.raises(ArchiveRefused):
            read_archive(io.BytesIO(whole[:length]), archive, Target())
    for more in (b"\0", b"\0" * BLOCK_BYTES, whole, whole[-SEAL_BYTES:]):
        with pytest.raises(ArchiveRefused, match="changed or damaged"):
            read_archive(io.BytesIO(whole + more), archive, Target())


def test_the_file_with_the_flipped_bit_is_named(tmp_path: Path) -> None:
    """Random bytes do not shrink, so they stand in the archive as they are, and a flip in them is one in that file."""
    content = b"".join(hashlib.sha512(b"%d" % index).digest() for index in range(4000))
    files = {**FILES, "random.bin": content, "shorter.txt": b"behind it"}
    whole = bytearray(write_archive(write_package(tmp_path / "p", files), tmp_path / "p.tar.gz").path.read_bytes())
    start = whole.index(content[150_000:150_100])
    for index in (start, start + 50, start + 99):
        changed = whole[:index] + bytes([whole[index] ^ 0x10]) + whole[index + 1 :]
        assert refusal(bytes(changed), tmp_path).startswith("model/random.bin has been changed or damaged")


@pytest.mark.parametrize("name", [*FILES, MANIFEST_NAME])
def test_a_changed_file_is_named_however_well_it_is_packed(name: str, tmp_path: Path) -> None:
    files = {f"model/{path}": content for path, content in FILES.items()}
    manifest = make_manifest({path: entry(content) for path, content in files.items()})
    stored = {**files, f"model/{name}": bytes(len(files.get(f"model/{name}", b"")))}
    if name in FILES and not FILES[name]:
        stored[f"model/{name}"] = b"no longer empty"
    tar = b"".join(member(path, stored[path]) for path in sorted(files, key=str.encode))
    archive = sealed(manifest, tar)
    if name == MANIFEST_NAME:
        other = manifest.replace(b"TensorFlow", b"tensorflow").replace(b"0", b"1")
        archive = sealed(other, tar)[:-SEAL_BYTES]
        archive += seal(hashlib.sha256(manifest).digest(), hashlib.sha256(archive).digest())
        name = f"../{MANIFEST_NAME}"
    wanted = f"model/{name}".replace(f"model/../{MANIFEST_NAME}", MANIFEST_NAME)
    assert refusal(archive, tmp_path).startswith(f"{wanted} has been changed or damaged")


A, B = b"a = 1\n", b"b = 2\n"
GOOD = {"model/a.py": entry(A), "model/b.py": entry(B)}
HOSTILE_TARS: dict[str, tuple[bytes, str]] = {
    "an unknown file": (
        member("model/a.py", A) + member("model/ab.py", A) + member("model/b.py", B),
        "model/b.py has been changed or damaged: in its place there is model/ab.py",
    ),
    "an unknown last file": (
        member("model/a.py", A) + member("model/b.py", B) + member("model/c.py", B),
        "has been changed or damaged: after the last file there is model/c.py",
    ),
    "a missing file": (
        member("model/b.py", B),
        "model/a.py has been changed or damaged: in its place there is model/b.py",
    ),
    "a missing last file": (
        member("model/a.py", A),
        "model/b.py has been changed or damaged: in its place there is the end",
    ),
    "a file twice": (
        member("model/a.py", A) * 2 + member("model/b.py", B),
        "model/b.py has been changed or damaged: in its place there is model/a.py",
    ),
    "a symbolic link": (
        foreign("model/a.py", tarfile.SYMTYPE, linkname="/etc/passwd") + member("model/b.py", B),
        "there is model/a.py, a link to /etc/passwd",
    ),
    "a hard link": (
        foreign("model/a.py", tarfile.LNKTYPE, linkname="../../x") + member("model/b.py", B),
        "there is model/a.py, a link to ../../x",
    ),
    "a device": (
        foreign("model/a.py", tarfile.CHRTYPE, devmajor=1, devminor=5) + member("model/b.py", B),
        "there is model/a.py, a device or other special file",
    ),
    "a pipe": (foreign("model/a.py", tarfile.FIFOTYPE), "there is model/a.py, a device or other special file"),
    "a path upwards": (member("model/../../a.py", A) + member("model/b.py", B), "there is model/../../a.py"),
    "an absolute path": (member("/model/a.py", A) + member("model/b.py", B), "there is /model/a.py"),
    "a header that says more": (
        file_header("model/a.py", 1 << 40, False) + A + padding(len(A)) + member("model/b.py", B),
        "model/a.py has been changed or damaged",
    ),
    "a set-user-id bit": (foreign("model/a.py", tarfile.REGTYPE, mode=0o4755, size=len(A)), "there is model/a.py"),
    "a sparse file": (foreign("model/a.py", tarfile.GNUTYPE_SPARSE, size=len(A)), "there is model/a.py"),
    "an extended header": (
        tarfile.TarInfo("model/" + "a" * 200).tobuf(tarfile.PAX_FORMAT) + member("model/b.py", B),
        "model/a.py has been changed or damaged",
    ),
    "no tar at all": (b"x" * 2000, "there is something that is no header of a file"),
    "something in the padding": (
        file_header("model/a.py", len(A), False) + A + padding(len(A))[:-1] + b"!" + member("model/b.py", B),
        "model/a.py has been changed or damaged: there is something behind its content",
    ),
}


@pytest.mark.parametrize("case", HOSTILE_TARS)
def test_a_tar_that_is_not_what_its_manifest_says(case: str, tmp_path: Path) -> None:
    tar, message = HOSTILE_TARS[case]
    assert message in refusal(sealed(make_manifest(GOOD), tar), tmp_path)


GOOD_TAR = member("model/a.py", A) + member("model/b.py", B)


def test_the_frame_of_these_tests_makes_good_archives(tmp_path: Path) -> None:
    path = tmp_path / "good.tar.gz"
    path.write_bytes(sealed(make_manifest(GOOD), GOOD_TAR))
    assert contents(unpack(path, tmp_path / "there")).keys() == {MANIFEST_NAME, "model/a.py", "model/b.py"}


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (b"", "its end is missing"),
        (b"\0" * BLOCK_BYTES, "its end is missing"),
        (ending(len(GOOD_TAR) + 2 * BLOCK_BYTES) + b"\0" * BLOCK_BYTES, "there is more in it than was written"),
        (b"\0" * 100 + b"x" + b"\0" * 20000, "after the last file there is something that is no header"),
    ],
)
def test_the_end_of_the_tar(end: bytes, message: str, tmp_path: Path) -> None:
    manifest = make_manifest(GOOD)
    if message.startswith("there is more"):
        whole = len(file_header(MANIFEST_NAME, len(manifest), False) + manifest + padding(len(manifest)) + GOOD_TAR)
        end = ending(whole) + b"\0" * BLOCK_BYTES
    assert message in refusal(sealed(manifest, GOOD_TAR, end), tmp_path)


DEEP = b"[" * 100_000
HOSTILE_MANIFESTS: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "manifest.json: not usable JSON"),
    "not UTF-8": (b"\xff{}", "manifest.json: not usable JSON"),
    "nested deeply": (DEEP, "manifest.json: not usable JSON"),
    "a huge number": (make_manifest({}).replace(b"1,", b"1" * 10_000 + b","), "manifest.json: not usable JSON"),
    "another JSON": (b"[]", "manifest.json: is not that of a package"),
    "no format": (b"{}", "manifest.json: is not that of a package"),
    "a later format": (
        make_manifest({}, format_version=2),
        "manifest.json: has format version 2, and this software reads 1",
    ),
    "no files": (b'{"format": "model-service-package", "format_version": 1}', "manifest.json: lists no files"),
    "an entry that is none": (make_manifest({"model/a": 1}), "model/a: manifest.json must give its size and sha256"),
    "a negative size": (make_manifest({"model/a": entry(A, size=-1)}), "model/a: manifest.json must give"),
    "a size that is true": (make_manifest({"model/a": entry(A, size=True)}), "model/a: manifest.json must give"),
    "no digest": (make_manifest({"model/a": entry(A, sha256="00")}), "model/a: manifest.json must give"),
    "upwards": (make_manifest({"model/../../a": entry(A)}), "model/../../a: does not lie in model/"),
    "absolute": (make_manifest({"/etc/passwd": entry(A)}), "/etc/passwd: does not lie in model/"),
    "outside": (make_manifest({"other/a": entry(A)}), "other/a: does not lie in model/"),
    "the folder itself": (make_manifest({"model": entry(A)}), "model: does not lie in model/"),
    "an empty part": (make_manifest({"model//a": entry(A)}), "model//a: does not lie in model/"),
    "a dot": (make_manifest({"model/./a": entry(A)}), "model/./a: does not lie in model/"),
    "only upwards": (make_manifest({"model/..": entry(A)}), "model/..: does not lie in model/"),
    "a backslash": (make_manifest({"model/..\\a": entry(A)}), "its name has a backslash or a control character"),
    "a line break": (make_manifest({"model/a\nb": entry(A)}), "'model/a\\nb': its name has a backslash or a control"),
    "a zero": (make_manifest({"model/a\0": entry(A)}), "'model/a\\x00': its name has a backslash or a control"),
    "half a character": (make_manifest({"model/\ud800": entry(A)}), "its name is not UTF-8"),
    "a long name": (make_manifest({"model/" + "a" * 256: entry(A)}), "its name is too long"),
    "a long path": (make_manifest({"model/" + "a/" * 600 + "a": entry(A)}), "its name is too long"),
    "case clashes": (
        make_manifest({"model/A.py": entry(A), "model/a.py": entry(A)}),
        "model/a.py: is the same as model/A.py where case does not count",
    ),
    "folders' case clashes": (
        make_manifest({"model/X/a": entry(A), "model/x/b": entry(A)}),
        "model/x/b: is the same as model/X where case does not count",
    ),
    "accents written in two ways": (
        make_manifest({"model/\u00e9": entry(A), "model/e\u0301": entry(A)}),
        "is the same as model/",
    ),
    "a file as a folder": (
        make_manifest({"model/a": entry(A), "model/a/b": entry(A)}),
        "model/a/b: lies in model/a, which is a file",
    ),
    "a key twice": (b'{"format": 1, "format": 2}', "a key stands twice in one object"),
    "more than any disk": (make_manifest({"model/a": entry(A, size=1 << 50)}), "an archive may have 1,099,511,627,776"),
    "a bomb": (make_manifest({"model/a": entry(A, size=1 << 39)}), "that is taken for an attack"),
    "a size beyond all numbers": (make_manifest({"model/a": entry(A, size=10**300)}), "an archive may have"),
}


@pytest.mark.parametrize("case", HOSTILE_MANIFESTS)
def test_a_manifest_that_is_not_believed(case: str, tmp_path: Path) -> None:
    manifest, message = HOSTILE_MANIFESTS[case]
    assert message in refusal(sealed(manifest, GOOD_TAR), tmp_path)


def test_too_many_files(tmp_path: Path) -> None:
    files = {f"model/{number}": entry(b"") for number in range(100_001)}
    path = tmp_path / "many.tar.gz"
    path.write_bytes(sealed(make_manifest(files), b"", level=1))
    with pytest.raises(ArchiveRefused, match="100,001 files; an archive may have 100,000"):
        verify(path)


def test_a_manifest_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    archive = sealed(b" " * ((32 << 20) + 1), b"", level=1)
    assert refusal(archive, tmp_path).startswith("manifest.json has been changed or damaged: it must come first")


def test_content_that_goes_on_for_ever_is_read_as_far_as_declared(tmp_path: Path) -> None:
    """64 MB of zeros where 6 bytes are declared: the header does not fit, and nothing of it is unpacked."""
    zeros = bytes(64 << 20)
    message = refusal(sealed(make_manifest(GOOD), member("model/a.py", zeros), level=1), tmp_path)
    assert message.startswith("model/a.py has been changed or damaged")


def test_an_empty_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    message = refusal(sealed(make_manifest(GOOD), foreign("model/a.py", tarfile.DIRTYPE)), tmp_path)
    assert message.startswith("model/a.py has been changed or damaged: in its place there is the folder model/a.py")


def plain_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        info = tarfile.TarInfo("model/config.json")
        info.size = 2
        file.addfile(info, io.BytesIO(b"{}"))
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("model/config.json", "{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: gzip.compress(plain_tar()),
            "was not made by model-service package archive. Unpack it and name the folder",
        ),
        (plain_tar, "a plain tar file is not taken. Unpack it and name the folder"),
        (zipped, "a zip file is not taken. Unpack it and name the folder"),
        (lambda: b"", "not a folder, and no archive by model-service package archive"),
        (lambda: b"hello", "not a folder, and no archive by model-service package archive"),
        (lambda: GZIP_HEADER, "has been changed or damaged: its end is not that of an archive"),
        (lambda: seal(bytes(32), bytes(32)), "has been changed or damaged: its beginning is not that of an archive"),
        (lambda: GZIP_HEADER + seal(bytes(32), bytes(32)), "manifest.json has been changed or damaged"),
    ],
)
def test_files_of_other_kinds(make: Callable[[], bytes], message: str, tmp_path: Path) -> None:
    assert refusal(make(), tmp_path).startswith(message)


def test_a_folder_stays_where_it_is_and_an_archive_is_gone_afterwards(archive: Path, tmp_path: Path) -> None:
    with opened_package(tmp_path) as folder:
        assert folder == tmp_path
    with opened_package(archive) as folder:
        assert (folder / "model" / "config.json").is_file()
    assert not folder.exists()


def test_an_archive_that_cannot_be_read_or_unpacked(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"cannot be unpacked: .*No such file"):
        unpack(tmp_path / "nowhere.tar.gz", tmp_path / "there")
    with pytest.raises(PackageError, match=r"cannot be unpacked: .*File exists"):
        unpack(archive, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(PackageError, match=r"cannot be unpacked: .*Not a directory"):
        unpack(archive, tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("path", "size_bytes", "executable"),
    [
        ("model/a", 0, False),
        ("model/" + "a" * 94, (8 << 30) - 1, True),
        ("model/" + "a" * 95, 8 << 30, True),
        ("model/" + "b/" * 300 + "c", 1, False),
        ("model/\u6570\u5b57", 1 << 40, False),
        *(("model/" + "d" * length, 1, False) for length in range(90, 110)),
    ],
)
def test_headers_say_to_others_what_they_say_to_us(path: str, size_bytes: int, executable: bool) -> None:
    with tarfile.open(fileobj=io.BytesIO(file_header(path, size_bytes, executable) + ending(0))) as tar:
        found = tar.next()
    assert found is not None
    assert (found.name, found.size, found.isreg()) == (path, size_bytes, True)
    assert (found.mode, found.mtime, found.uid, found.gid, found.uname) == (0o755 if executable else 0o644, 0, 0, 0, "")


def mutated(content: bytes, random: Random) -> bytes:
    """The bytes with one thing changed: bits, a piece more, less, twice, or somewhere else."""
    start = random.randrange(len(content))
    end = min(len(content), start + random.choice([1, 8, 100, BLOCK_BYTES]))
    piece = content[start:end]
    return {
        "flip": content[:start] + bytes([content[start] ^ 1 << random.randrange(8)]) + content[start + 1 :],
        "drop": content[:start] + content[end:],
        "twice": content[:end] + piece + content[end:],
        "zero": content[:start] + bytes(len(piece)) + content[end:],
        "noise": content[:start] + random.randbytes(len(piece)) + content[end:],
        "move": content[:start] + content[end:] + piece,
    }[random.choice(["flip", "drop", "twice", "zero", "noise", "move"])]


@pytest.mark.parametrize("seed", range(4))
def test_whoever_seals_a_changed_tar_anew_gets_nothing_else_out_of_it(seed: int, archive: Path) -> None:
    """The seal is no signature: anybody can make one. So what it encloses is held against the manifest all the same."""
    random = Random(seed)
    whole = gzip.decompress(archive.read_bytes())
    manifest = whole[BLOCK_BYTES : whole.index(b"\0", BLOCK_BYTES)]
    assert parse_manifest(manifest) == verify(archive).manifest
    for _ in range(250):
        tar = mutated(whole, random)
        if tar == whole:  # zeros in the place of zeros
            continue
        squeezed = GZIP_HEADER + gzip.compress(tar, 1, mtime=0)[len(GZIP_HEADER) :]
        content = squeezed + seal(hashlib.sha256(manifest).digest(), hashlib.sha256(squeezed).digest())
        with pytest.raises(ArchiveRefused, match="changed or damaged"):
            read_archive(io.BytesIO(content), archive, Target())
