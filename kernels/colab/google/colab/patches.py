"""Functions of libraries that need a window, made for notebooks."""


def cv2_imshow(a):
    """Shows an image as OpenCV keeps it: grey, BGR or BGRA."""
    import numpy
    from IPython.display import display

    pixels = numpy.asarray(a).clip(0, 255).astype("uint8")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    from PIL import Image

    display(Image.fromarray(pixels))
