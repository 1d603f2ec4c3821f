"""What of a picture's metadata goes on to its painting (EXIF 2.32, TIFF 6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import ExifTags, Image

if TYPE_CHECKING:
    from PIL import ImageFile

# About the picture, and who made it when, where and how. All other tags are about the file's own
# pixels or the way to them: the orientation is applied, and a size, a compression or a palette of
# the content's would make the result's file unreadable.
_DESCRIPTIVE: Final = frozenset(
    {
        ExifTags.Base.DocumentName,
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.XResolution,
        ExifTags.Base.YResolution,
        ExifTags.Base.ResolutionUnit,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.HostComputer,
        ExifTags.Base.Rating,
        ExifTags.Base.RatingPercent,
        ExifTags.Base.Copyright,
        ExifTags.Base.XPTitle,
        ExifTags.Base.XPComment,
        ExifTags.Base.XPAuthor,
        ExifTags.Base.XPKeywords,
        ExifTags.Base.XPSubject,
        ExifTags.IFD.Exif,
        ExifTags.IFD.GPSInfo,
    }
)
_SIZES: Final = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)


def descriptive(image: ImageFile.ImageFile) -> bytes:
    """The block of EXIF data to hand on, without JPEG's mark; empty if there is nothing to say.

    Raises:
        Exception: whatever Pillow raises on damaged data.
    """
    # The method of the class, because a PNG's own would decode the picture to look behind it.
    exif = Image.Image.getexif(image)
    for tag in [tag for tag in exif if tag not in _DESCRIPTIVE]:
        del exif[tag]
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag in _SIZES:
        details.pop(tag, None)
    return exif.tobytes().removeprefix(b"Exif\0\0") if exif else b""
