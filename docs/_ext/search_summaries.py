"""Summaries of search results for a site that is opened as files."""


def setup(app):
    return {"parallel_read_safe": True, "parallel_write_safe": True}
