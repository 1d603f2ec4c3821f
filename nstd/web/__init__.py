"""The status page: what `nstd status` tells, with pictures, for browsers; it only reads.

    browser -> guard -> app -> lookout -> overview -> ledger, state/now.json
                         |        |
                         |     viewing -> view -> pages -> HTML, whole or in sections
                         |
                         +-> pictures -> thumbnails -> JPEG

A process of its own: whatever goes wrong here, the daemon doesn't notice, and when the daemon is
down, the page says so. Starlette, uvicorn and Jinja2 are the extra `web`; no other module of nstd
imports them.
"""
