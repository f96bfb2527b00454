"""The sample package: any picture of a digit in, ten probabilities out, and a contract that is true."""

from __future__ import annotations

import importlib.util
import io
import json
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from model_service.errors import BadRequest
from model_service.inference.contract import Mode, SideContract
from model_service.package.config import read_config
from model_training.completion import TEMPLATE
from model_training.mnist import Mnist

Trained = Callable[[str], tuple[Path, str]]
Predict = Callable[[Path, NDArray[Any]], dict[str, NDArray[Any]]]
FloatArray = NDArray[np.float32]

INK = (30, 40, 150)
PAPER = (250, 240, 200)


def load_service_module() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("sample_customize_service", TEMPLATE / "customize_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def module() -> types.ModuleType:
    return load_service_module()


@pytest.fixture
def service(module: types.ModuleType) -> Any:
    return module.MnistService("serve", "/nowhere")


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    stream.seek(0)
    return stream


def photograph(
    digit: NDArray[np.uint8],
    corner: tuple[int, int] = (170, 20),
    side: int = 120,
    ink: tuple[int, int, int] = INK,
    paper: tuple[int, int, int] = PAPER,
) -> Image.Image:
    """Paint a digit, white on black in ``digit`` [28, 28], onto a sheet of 300 x 200 pixels, off its centre."""
    mask = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    picture = Image.new("RGB", (300, 200), paper)
    picture.paste(Image.new("RGB", (side, side), ink), corner, mask)
    return picture


def similarity_of(one: FloatArray, other: FloatArray) -> float:
    """The correlation of two pictures' pixels; 1 for the same picture."""
    return float(np.asarray(np.corrcoef(one.ravel(), other.ravel()))[0, 1])


def rows(service: Any, *pictures: io.BytesIO) -> FloatArray:
    files = OrderedDict((f"{number}.png", picture) for number, picture in enumerate(pictures))
    inputs = service._preprocess({"images": files})
    assert list(inputs) == ["images"]
    images: FloatArray = inputs["images"]
    assert images.shape == (len(pictures), 784)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    return images


def test_a_28_x_28_picture_is_used_as_it_is(service: Any, digits: Mnist) -> None:
    pictures = [encoded(Image.fromarray(image)) for image in digits.test_images]
    expected = digits.test_images.reshape(-1, 784).astype(np.float32) / 255
    np.testing.assert_array_equal(rows(service, *pictures), expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "CMYK"])
def test_other_kinds_of_pixels_say_the_same(service: Any, digits: Mnist, mode: str) -> None:
    digit = digits.test_images[0]
    plain = Image.fromarray(digit)
    picture = Image.fromarray(digit.astype(np.uint16) * 257) if mode == "I;16" else plain.convert(mode)
    row = rows(service, encoded(picture, "TIFF" if mode == "CMYK" else "PNG"))
    np.testing.assert_allclose(row, digit.reshape(1, 784) / np.float32(255), atol=0.01)


def test_black_on_white_and_ink_on_nothing_are_turned_round(service: Any, digits: Mnist) -> None:
    digit = digits.test_images[0]
    dark_on_nothing = Image.new("LA", (28, 28), (0, 0))
    dark_on_nothing.putalpha(Image.fromarray(digit))
    light_on_nothing = Image.new("LA", (28, 28), (255, 0))
    light_on_nothing.putalpha(Image.fromarray(digit))
    images = rows(
        service,
        encoded(Image.fromarray(255 - digit)),
        encoded(dark_on_nothing),
        encoded(light_on_nothing),
    )
    for row in images:
        np.testing.assert_allclose(row, digit.reshape(784) / np.float32(255), atol=0.01)


def test_a_photograph_is_normalised_like_the_training_data(service: Any, digits: Mnist) -> None:
    pictures = [encoded(photograph(image), "JPEG", quality=85) for image in digits.test_images[:100]]
    images = rows(service, *pictures).reshape(-1, 28, 28)
    originals = digits.test_images[:100].astype(np.float32) / 255
    similarities = [similarity_of(new, old) for new, old in zip(images, originals, strict=True)]
    assert np.median(similarities) > 0.9
    assert np.all(images.max(axis=(1, 2)) == 1)
    places = np.arange(28)
    for axis in (1, 2):  # the training data has its centres of mass at 14.0, give or take 0.3
        profiles = images.sum(axis=3 - axis)
        centres = (profiles * places).sum(axis=1) / profiles.sum(axis=1)
        assert np.abs(centres - 14).max() <= 0.51


KINDS: dict[str, dict[str, Any]] = {
    "dark on light": {},
    "light on dark": {"ink": (240, 240, 230), "paper": (20, 60, 40)},
    "black on middle grey": {"ink": (10, 10, 10), "paper": (110, 110, 110)},
    "small, in a corner": {"side": 50, "corner": (0, 150)},
    "large": {"side": 190, "corner": (60, 5)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_photographs_are_recognised_like_the_digits_themselves(
    service: Any, digits: Mnist, trained: Trained, predict: Predict, kind: str
) -> None:
    count = 300
    pictures = [encoded(photograph(image, **KINDS[kind]), "JPEG", quality=85) for image in digits.test_images[:count]]
    scores = predict(trained("tf")[0] / "model", rows(service, *pictures))["scores"]
    accuracy = float((scores.argmax(axis=1) == digits.test_labels[:count]).mean())
    assert accuracy >= 0.85
    assert np.median(scores.max(axis=1)) < 0.9999


def test_dirt_shade_and_size_do_not_matter(service: Any, digits: Mnist) -> None:
    random = np.random.RandomState(0)
    clean = np.asarray(photograph(digits.test_images[0]), dtype=np.float32)
    dirty = clean * np.linspace(0.75, 1, 300)[None, :, None] + random.normal(0, 5, clean.shape)
    dirty[5:8, 5:8] = 0  # a speck, far from the digit
    wanted = rows(service, encoded(Image.fromarray(clean.astype(np.uint8))))[0]
    big = Image.fromarray(clean.astype(np.uint8)).resize((3000, 2000), Image.Resampling.BICUBIC)
    images = rows(service, encoded(Image.fromarray(np.clip(dirty, 0, 255).astype(np.uint8))), encoded(big, "JPEG"))
    for row in images:
        assert similarity_of(row, wanted) > 0.95


def test_the_camera_was_held_sideways(service: Any, digits: Mnist) -> None:
    upright = photograph(digits.test_images[0])
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    images = rows(service, encoded(upright, "JPEG"), encoded(turned, "JPEG", exif=exif))
    assert similarity_of(*images) > 0.99


def test_see_through_corners_are_not_ink(service: Any, digits: Mnist) -> None:
    plain = photograph(digits.test_images[0])
    rounded = plain.convert("RGBA")
    alpha = np.full((200, 300), 255, dtype=np.uint8)
    alpha[:20, :20] = alpha[-20:, -20:] = 0
    rounded.putalpha(Image.fromarray(alpha))
    images = rows(service, encoded(plain), encoded(rounded))
    assert similarity_of(*images) > 0.99


@pytest.mark.parametrize("size", [(28, 28), (300, 200), (1, 1)])
@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_picture_of_nothing_is_the_callers_fault(service: Any, size: tuple[int, int], colour: int) -> None:
    with pytest.raises(BadRequest, match=r"blank\.png: there is no digit in this picture") as caught:
        service._preprocess({"images": OrderedDict({"blank.png": encoded(Image.new("L", size, colour))})})
    assert caught.value.status == 400


def test_odd_shapes_are_no_accident(service: Any) -> None:
    line = Image.new("L", (500, 2), 255)
    line.putpixel((250, 1), 0)
    two_dots = Image.new("L", (300, 300), 255)
    two_dots.putpixel((3, 3), 0)
    two_dots.putpixel((290, 290), 0)
    frame = Image.new("L", (40, 40), 255)
    frame.paste(0, (5, 5, 35, 35))
    stripes = Image.fromarray(np.tile(np.array([0] * 5 + [255] * 5, dtype=np.uint8), (300, 30)))
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (60, 700, 3), dtype=np.uint8))
    rows(service, *map(encoded, (line, two_dots, frame, stripes, noise)))


def test_what_is_no_picture_is_left_to_the_runtime(service: Any, digits: Mnist) -> None:
    for content in (b"", b"hello"):
        with pytest.raises(UnidentifiedImageError):
            service._preprocess({"images": OrderedDict({"a.png": io.BytesIO(content)})})
    random = np.random.RandomState(0).randint(0, 256, (90, 90), dtype=np.uint8)
    whole = encoded(Image.fromarray(random)).getvalue()
    with pytest.raises(OSError, match="truncated"):
        service._preprocess({"images": OrderedDict({"a.png": io.BytesIO(whole[: len(whole) // 2])})})


def answer(service: Any, digits: Mnist, trained: Trained, predict: Predict, count: int) -> Mapping[str, Any]:
    files = OrderedDict((f"{n}.png", encoded(Image.fromarray(digits.test_images[n]))) for n in range(count))
    inputs = service._preprocess({"images": files})
    outputs = predict(trained("tf")[0] / "model", inputs["images"])
    result: Mapping[str, Any] = service._postprocess({key: value.tolist() for key, value in outputs.items()})
    return result


def test_an_answer_names_each_file_and_orders_all_ten_digits(
    service: Any, digits: Mnist, trained: Trained, predict: Predict
) -> None:
    predictions = answer(service, digits, trained, predict, 50)["predictions"]
    assert [prediction["file_name"] for prediction in predictions] == [f"{n}.png" for n in range(50)]
    right = 0
    for prediction, label in zip(predictions, digits.test_labels, strict=False):
        labels = [name for name, _ in prediction["scores"]]
        probabilities = [probability for _, probability in prediction["scores"]]
        assert sorted(labels) == [str(digit) for digit in range(10)]
        assert probabilities == sorted(probabilities, reverse=True)
        assert prediction["predicted_label"] == labels[0]
        right += labels[0] == str(label)
    assert right >= 40


def test_the_contract_is_strict_and_the_answers_keep_it(
    service: Any, digits: Mnist, trained: Trained, predict: Predict
) -> None:
    config = read_config(TEMPLATE / "config.json")
    assert config.problems == ()
    assert dict(config.validation) == {"request": "strict", "response": "strict"}
    (api,) = config.apis
    assert (api.url, api.method) == ("/", "POST")
    request, response = (SideContract(schema, Mode.STRICT) for schema in (api.request_schema, api.response_schema))
    value = json.loads(json.dumps(answer(service, digits, trained, predict, 3)))
    assert response.check_response(value).violations == ()
    upload = OrderedDict({"a.png": io.BytesIO(b"x")})
    assert request.check_request({"images": upload}, frozenset()).violations == ()
    for wrong in ({"image": upload}, {"images": "text"}, {"images": [1]}):
        assert request.check_request(wrong, frozenset()).violations != ()


@pytest.mark.parametrize(
    "break_it",
    [
        lambda value: value.pop("predictions"),
        lambda value: value["predictions"].clear(),
        lambda value: value.update(extra=1),
        lambda value: value["predictions"][0].pop("file_name"),
        lambda value: value["predictions"][0].update(predicted_label=3),
        lambda value: value["predictions"][0]["scores"].pop(),
        lambda value: value["predictions"][0]["scores"][0].append(1),
        lambda value: value["predictions"][0]["scores"][0].__setitem__(1, "0.5"),
        lambda value: value["predictions"][0]["scores"][0].__setitem__(1, 1.5),
    ],
)
def test_the_contract_notices(break_it: Callable[[Any], Any]) -> None:
    scores = [[str(digit), 0.1] for digit in range(10)]
    value = {"predictions": [{"file_name": "a.png", "predicted_label": "3", "scores": scores}]}
    schema = read_config(TEMPLATE / "config.json").apis[0].response_schema
    contract = SideContract(schema, Mode.STRICT)
    assert contract.check_response(json.loads(json.dumps(value))).violations == ()
    break_it(value)
    assert contract.check_response(json.loads(json.dumps(value))).violations != ()


def test_the_config_at_the_top_is_the_templates() -> None:
    top = Path(__file__).parents[2] / "config.json"
    assert top.read_bytes() == (TEMPLATE / "config.json").read_bytes()
