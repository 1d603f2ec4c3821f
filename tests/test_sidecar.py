"""The sidecar."""

from __future__ import annotations

import pytest

from nstd import sidecar
from nstd.errors import SidecarError


def parse(text: str) -> sidecar.Sidecar:
    """Parse a sidecar called a.yaml."""
    return sidecar.parse(text.encode(), file="a.yaml")


def test_an_empty_sidecar_asks_for_the_defaults() -> None:
    """Names are found by the sidecar's own, parameters are the presets'."""
    found = parse("# defaults\n")
    assert found.content is None
    assert found.styles == ()
    assert found.priority == 0
    assert found.params == sidecar.StyleParams()


def test_its_own_keys_and_parameters_stand_beside_each_other() -> None:
    """Nothing is nested: content, style, output and priority, then parameters."""
    found = parse("content: in/a.jpg\nstyle: b.jpg\noutput: c\npriority: 5\nsize: 99\n")
    assert (found.content, found.styles) == ("in/a.jpg", (("b.jpg", 1.0),))
    assert (found.output, found.priority, found.params.size) == ("c", 5, 99)


def test_several_styles_have_weights() -> None:
    """A list blends; a weight is 1 unless given."""
    found = parse("style: [{image: a.jpg, weight: 2}, {image: b.jpg}]")
    assert found.styles == (("a.jpg", 2.0), ("b.jpg", 1.0))


def test_styles_may_be_a_plain_list() -> None:
    """Names alone blend in equal shares."""
    assert parse("style: [a.jpg, b.jpg]").styles == (("a.jpg", 1.0), ("b.jpg", 1.0))


def test_an_output_with_a_suffix_loses_it() -> None:
    """The format has its own parameter; `painted.png` is not to become painted.png.png."""
    assert parse("output: painted.png").output == "painted"
    assert parse("output: v1.2").output == "v1.2"
    assert parse("output: painted.JPG\nformat: jpeg").output == "painted"


def test_an_output_with_another_formats_suffix_is_refused() -> None:
    """Its owner expects that format; both ways out are said."""
    with pytest.raises(
        SidecarError, match=r"output: ends in \.jpg, but the result is a png"
    ) as said:
        parse("output: painted.jpg")
    assert "Write format: jpeg too, or leave out .jpg" in str(said.value)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("/etc/passwd", "style: must stay within"),
        ("3", "style: should be a valid string, not 3"),
        ("[/etc/passwd]", "style.0.image: must stay within"),
        ("[{image: a.jpg, weigth: 2}]", "style.0.weigth: unknown key, did you mean 'weight'?"),
    ],
)
def test_a_wrong_style_is_named_as_it_was_written(style: str, message: str) -> None:
    """In a list by its place, from 0; alone by the key alone."""
    with pytest.raises(SidecarError) as caught:
        parse(f"style: {style}")
    assert message in str(caught.value)


def test_a_start_may_be_an_image_beside_it() -> None:
    """`init` names a kind of start, or a file."""
    assert parse("init: random").further == ()
    assert parse("init: parts/sketch.png").further == (("init", "parts/sketch.png"),)


def test_masks_are_images_beside_it() -> None:
    """Each once, in order, after the start."""
    text = """
        init: sketch.png
        content_mask: {sky: sky.png, sea: sea.png}
        style_mask: {sky: style-sky.png, sea: sea.png}
    """
    assert parse(text).further == (
        ("init", "sketch.png"),
        ("mask", "sky.png"),
        ("mask", "sea.png"),
        ("mask", "style-sky.png"),
    )


def test_a_start_from_the_defaults_stays_within_the_folder_too() -> None:
    """Wherever it was named, it is looked for beside the sidecar."""
    with pytest.raises(SidecarError, match="init: must stay within"):
        sidecar.parse(b"size: 99", file="a.yaml", defaults={"init": "/etc/x.png"})


def test_a_texture_has_no_content() -> None:
    """`content: none` is not the name of a file."""
    assert parse("content: none").content == sidecar.TEXTURE


def test_defaults_fill_in_what_the_sidecar_leaves_out() -> None:
    """The configuration's parameters apply where the sidecar is silent."""
    found = sidecar.parse(b"size: 99", file="a.yaml", defaults={"size": 50, "quality": 80})
    assert (found.params.size, found.params.quality) == (99, 80)


@pytest.mark.parametrize(
    ("text", "key", "clause"),
    [
        ("content: /etc/passwd", "content", "must stay within the sidecar's folder"),
        ("content: ../a.jpg", "content", "must stay within the sidecar's folder"),
        ("content: a/../../b.jpg", "content", "must stay within the sidecar's folder"),
        ("content: .hidden.jpg", "content", "hidden or temporary"),
        ("content: a.jpg.part", "content", "hidden or temporary"),
        ("content: b.yaml", "content", "must be an image, not a sidecar"),
        ("content: .", "content", "must be a file name"),
        ("content: .nstd/claimed/x.jpg", "content", "hidden or temporary"),
        ('content: "a\\0.jpg"', "content", "must be a file name"),
        ("content: ''", "content", "must be a file name"),
        ("content: 7", "content", "valid string, not 7"),
        ("init: /etc/x.png", "init", "must stay within the sidecar's folder, not '/etc/x.png'"),
        ("init: ../x.png", "init", "must stay within the sidecar's folder"),
        ("init: .x.png", "init", "hidden or temporary"),
        ("content_mask: ../x.png", "content_mask", "must stay within the sidecar's folder"),
        ("style_mask: [{sky: /x.png}]", "style_mask", "must stay within the sidecar's folder"),
        ("output: a/b", "output", "plain name"),
        ("output: .a", "output", "plain name"),
        ("output: ' '", "output", "plain name"),
        ("priority: high", "priority", "valid integer, not 'high'"),
        ("contnt: a.jpg", "contnt", "did you mean 'content'?"),
        ("size: -5", "size", "from 16 to 32768 pixels"),
        ("tv_weight: .nan", "tv_weight", "finite number"),
    ],
)
def test_wrong_values_are_named(text: str, key: str, clause: str) -> None:
    """The message has the file, the key, what is wrong, and the remedy."""
    with pytest.raises(SidecarError) as caught:
        parse(text)
    assert caught.value.file == "a.yaml"
    assert caught.value.key == key
    assert clause in str(caught.value)
    assert "back to the inbox" in str(caught.value)


@pytest.mark.parametrize(
    "style", ["[]", "[{image: a.jpg, weight: 0}]", "[{weight: 1}]", "3", "../a"]
)
def test_wrong_lists_of_styles_are_refused(style: str) -> None:
    """Every style has an image and a positive weight."""
    with pytest.raises(SidecarError, match="style"):
        parse(f"style: {style}")


def test_all_problems_are_reported_at_once() -> None:
    """Those of the sidecar's own keys and those of the parameters."""
    with pytest.raises(SidecarError) as caught:
        parse("content: /a\npriority: x\nsize: 1\nsise: 2\n")
    assert all(f"{key}: " in str(caught.value) for key in ("content", "priority", "size", "sise"))


def test_what_is_not_yaml_is_refused_by_name() -> None:
    """An image mistaken for a sidecar gets a clear answer."""
    with pytest.raises(SidecarError, match=r"a\.yaml: not UTF-8 text"):
        sidecar.parse(b"\xff\xd8\xff\xe0", file="a.yaml")


def folder(text: str) -> sidecar.FolderDefaults:
    """Parse an nstd.yaml."""
    return sidecar.parse_folder(text.encode(), file="nstd.yaml", defaults={"size": 50})


def test_a_folder_is_inherited_and_overridden() -> None:
    """The sidecar's own word counts, then its folder's, then the configuration's."""
    given = folder("style: b.jpg\npriority: 5\npreset: draft\nquality: 80\n")
    found = sidecar.parse(b"quality: 70", file="a.yaml", defaults={"size": 50}, folder=given)
    assert (found.styles, found.priority) == ((("b.jpg", 1.0),), 5)
    assert (found.params.preset, found.params.quality, found.params.size) == ("draft", 70, 50)
    own = b"style: [c.jpg, d.jpg]\npriority: 0\n"
    found = sidecar.parse(own, file="a.yaml", folder=given)
    assert found.styles == (("c.jpg", 1.0), ("d.jpg", 1.0))
    assert found.priority == 0


def test_a_folder_owns_the_images_that_it_names() -> None:
    """Its styles and its start; not a start that comes from the configuration."""
    given = folder("style: [{image: a.jpg, weight: 2}, sub/b.jpg]\ninit: c.png\n")
    assert given.styles == (("a.jpg", 2.0), ("sub/b.jpg", 1.0))
    assert given.images == {"a.jpg", "sub/b.jpg", "c.png"}
    inherited = sidecar.parse_folder(b"size: 64", file="nstd.yaml", defaults={"init": "c.png"})
    assert inherited.images == frozenset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sise: 3\n", "sise: unknown key, did you mean 'size'?"),
        ("content: a.jpg\n", "content: belongs in a sidecar"),
        ("output: a\nsise: 3\n", "output: belongs in a sidecar.*; sise: unknown key"),
        ("size: 3\npriority: high\n", "priority: .*; size: "),
        ("style: ../a.jpg\n", "must stay within"),
        ("style: nstd.yaml\n", "must be an image"),
        ("- a\n", "must be `key: value` lines"),
    ],
)
def test_what_is_wrong_with_a_folder_is_told(text: str, message: str) -> None:
    """All of it at once, with the key; what belongs to one image is refused there."""
    with pytest.raises(SidecarError, match=message) as caught:
        folder(text)
    assert "Correct it where it is" in str(caught.value)
