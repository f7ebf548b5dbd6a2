"""Makes pages of the site from files that stand elsewhere: CONTRIBUTING.md and CHANGELOG.md at the top."""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
FROM_THE_TOP = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def on_files(files, config):
    """Add the pages, and leave out of the site what only the pages' making needs."""
    for page, source in FROM_THE_TOP.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=as_page(text)))
    return files


def as_page(text: str) -> str:
    """Markdown of the repository's top as a page of the site: links into docs/ stay links, others become names."""
    text = re.sub(r"\]\(docs/([^)]+)\)", r"](\1)", text)
    top = "|".join(re.escape(name) for name in FROM_THE_TOP.values())
    text = re.sub(rf"\]\(({top})(#[^)]*)?\)", lambda m: f"]({m[1].lower()}{m[2] or ''})", text)
    return re.sub(r"\[([^\]]+)\]\((?!http|#|[\w/-]+\.md)([\w./-]+)\)", r"\1", text)


def on_serve(server, config, builder):
    """Build again when one of the files changes."""
    for source in FROM_THE_TOP.values():
        server.watch(str(ROOT / source))
    return server
