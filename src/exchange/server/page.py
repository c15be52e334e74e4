"""The trading page at `/`: the static files of `web/`. Nothing here knows the market."""

from pathlib import Path

from aiohttp import web

WEB = Path(__file__).parent / "web"
CONTENT_TYPES = {  # named here, since a system's own table may call a script plain text
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Cache-Control": "no-cache",  # kept, but asked for again: an upgrade shows at once
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add_page(app: web.Application) -> None:
    """Serve index.html at `/` and every file of the page under `/web/`."""
    app.router.add_get("/", _index)
    app.router.add_get("/web/{path:.+}", _file)


async def _index(_request: web.Request) -> web.FileResponse:
    return _answer(WEB / "index.html")


async def _file(request: web.Request) -> web.FileResponse:
    path = (WEB / request.match_info["path"]).resolve()
    if not path.is_relative_to(WEB.resolve()) or not path.is_file():
        raise web.HTTPNotFound
    return _answer(path)


def _answer(path: Path) -> web.FileResponse:
    content_type = CONTENT_TYPES.get(path.suffix)
    if content_type is None:
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={**HEADERS, "Content-Type": content_type})
