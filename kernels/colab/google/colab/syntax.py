"""Names for what a string holds. They change nothing."""


def html(text):
    return text


def javascript(text):
    return text


def css(text):
    return text


def markdown(text):
    return text
